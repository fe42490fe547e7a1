"""How useful a feature looks by itself: the ants' heuristic, seen before any subset is scored."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.feature_selection import f_classif

from fer_fast.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FLOOR = 0.01
"""Desirability of a feature that says nothing of the classes: low, yet never out of reach."""

_BLOCK_BYTES = 64 * 2**20


def anova_f(X: Any, y: ArrayLike) -> NDArray[np.float64]:
    """Return each feature's one-way ANOVA F statistic, as scikit-learn's `f_classif`.

    Columns are taken in blocks of about 64 MiB as float64, so that the memory beyond `X` does not
    grow with it.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_rows, n_features)
        Finite numbers.
    y : array-like of shape (n_rows,)
        Class labels, at least two different ones.

    Returns
    -------
    F : ndarray of shape (n_features,), float64
        NaN for a constant feature; infinite for one that is constant within every class and
        differs between classes.

    Raises
    ------
    DataError
        If `X` is not a matrix, or has another number of rows than `y`, or a value that is not
        finite, or if `y` has fewer than two classes.
    """
    X, y = X.tocsc() if issparse(X) else np.asarray(X), np.asarray(y)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise DataError(
            f"X of shape {X.shape} does not match y of shape {y.shape}: one row a label"
        )
    if len(np.unique(y)) < 2:
        raise DataError("y has fewer than two classes: an F statistic compares classes")
    width = max(1, _BLOCK_BYTES // (8 * max(1, X.shape[0])))
    blocks = [_f_statistic(X[:, i : i + width], y) for i in range(0, X.shape[1], width)]
    return np.concatenate([np.empty(0), *blocks])


def anova_desirability(X: Any, y: ArrayLike) -> NDArray[np.float64]:
    """Return ``clip(F / Q99(F), 0.01, 1)``: `scaled_scores` of `anova_f`, with its parameters."""
    return scaled_scores(anova_f(X, y))


def scaled_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return ``clip(s / Q99(s), 0.01, 1)`` for a score of any kind, higher being better.

    Dividing by the 99th percentile rather than by the maximum keeps one outstanding feature from
    pushing all others to the floor.

    Parameters
    ----------
    scores : array-like of shape (n_features,)
        NaN stands for a feature that has none and gets the floor.

    Returns
    -------
    desirability : ndarray of shape (n_features,), float64
        Within [0.01, 1]; all at the floor where the percentile is 0 or less.
    """
    scores = np.asarray(scores, dtype=np.float64)
    # A feature that is constant within every class and differs between them separates perfectly:
    # its F is infinite, and a percentile would pass that on to all others.
    finite = scores[np.isfinite(scores)]
    scale = float(np.quantile(finite, 0.99)) if finite.size else 0.0
    ratio = scores / scale if scale > 0 else np.where(np.isposinf(scores), 1.0, 0.0)
    desirability: NDArray[np.float64] = np.nan_to_num(ratio, nan=0.0, posinf=1.0)
    return desirability.clip(FLOOR, 1.0)


def _f_statistic(block: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    # In float32 the sums of squares of some ten thousand rows lose half their digits.
    block = (block.toarray() if issparse(block) else block).astype(np.float64)
    if not np.isfinite(block).all():
        raise DataError("X holds NaN or an infinity: every feature must be finite")
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.filterwarnings("ignore", "(?s)Features .* are constant", UserWarning)
        statistic: NDArray[np.float64] = f_classif(block, y)[0]
    # Rounding may leave a constant feature a tiny spread, and a meaningless F with it.
    statistic[np.ptp(block, axis=0) == 0] = np.nan
    return statistic


def anova_ranking(F: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the features from the greatest F to the least, constant ones last.

    Equal features keep their order.
    """
    ranking: NDArray[np.intp] = np.argsort(-np.nan_to_num(F, posinf=np.inf), kind="stable")
    return ranking
