"""How useful a feature looks by itself: the ants' heuristic, seen before any subset is scored."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.feature_selection import f_classif

from fer_fast.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FLOOR = 0.01
"""Desirability of a feature that says nothing of the classes: low, yet never out of reach."""

_BLOCK_BYTES = 64 * 2**20


def anova_desirability(X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return ``clip(F / Q99(F), 0.01, 1)``, F being each feature's one-way ANOVA F statistic.

    Dividing by the 99th percentile rather than by the maximum keeps one outstanding feature from
    pushing all others to the floor. A constant feature, whose F is undefined, gets the floor; so
    do all features where the percentile is 0.

    Columns are taken in blocks of about 64 MiB as float64, so that the memory beyond `X` does not
    grow with it.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Finite numbers.
    y : array-like of shape (n_rows,)
        Class labels, at least two different ones.

    Returns
    -------
    desirability : ndarray of shape (n_features,), float64
        Within [0.01, 1].

    Raises
    ------
    DataError
        If `X` is not a matrix, or has another number of rows than `y`, or a value that is not
        finite, or if `y` has fewer than two classes.
    """
    X, y = np.asarray(X), np.asarray(y)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise DataError(
            f"X of shape {X.shape} does not match y of shape {y.shape}: one row a label"
        )
    if len(np.unique(y)) < 2:
        raise DataError("y has fewer than two classes: an F statistic compares classes")
    width = max(1, _BLOCK_BYTES // (8 * max(1, len(X))))
    blocks = [_f_statistic(X[:, i : i + width], y) for i in range(0, X.shape[1], width)]
    F = np.concatenate(blocks) if blocks else np.empty(0)
    # A feature that is constant within every class and differs between them separates perfectly:
    # its F is infinite, and a percentile would pass that on to all others.
    finite = F[np.isfinite(F)]
    scale = float(np.quantile(finite, 0.99)) if finite.size else 0.0
    ratio = F / scale if scale > 0 else np.where(np.isposinf(F), 1.0, 0.0)
    clipped: NDArray[np.float64] = np.clip(np.nan_to_num(ratio, posinf=1.0), FLOOR, 1.0)
    return clipped


def _f_statistic(block: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    # In float32 the sums of squares of some ten thousand rows lose half their digits.
    block = block.astype(np.float64)
    if not np.isfinite(block).all():
        raise DataError("X holds NaN or an infinity: every feature must be finite")
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "Features .* are constant", UserWarning)
        statistic: NDArray[np.float64] = f_classif(block, y)[0]
    # Rounding may leave a constant feature a tiny spread, and a meaningless F with it.
    statistic[np.ptp(block, axis=0) == 0] = np.nan
    return statistic
