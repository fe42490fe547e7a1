"""How useful a feature looks by itself: the ants' heuristic, seen before any subset is scored."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.sparse import issparse
from sklearn.feature_selection import f_classif

from fer_fast.errors import DataError
from fer_fast.forest.hist_forest import HistForestClassifier

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


def forest_scores(
    X: NDArray[np.float32],
    y: ArrayLike,
    measure: Literal["importances", "oob_gain"],
    *,
    n_estimators: int = 90,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> NDArray[np.float64]:
    """Return what a forest on all features says of each.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
    y : array-like of shape (n_rows,)
    measure : {"importances", "oob_gain"}
        `HistForestClassifier`'s `feature_importances_`, or its `oob_feature_importances_`.
    n_estimators, random_state, n_jobs
        Of the forest.

    Returns
    -------
    scores : ndarray of shape (n_features,), float64
        A feature that earns nothing out of bag may have less than 0.
    """
    forest = HistForestClassifier(
        n_estimators,
        oob_score=measure == "oob_gain",
        random_state=random_state,
        n_jobs=n_jobs,
    ).fit(X, y)
    out_of_bag = measure == "oob_gain"
    scores: NDArray[np.float64] = (
        forest.oob_feature_importances_ if out_of_bag else forest.feature_importances_
    )
    return scores


def scaled_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return a desirability of the same order for a score of any kind, higher being better.

    With r the score over the 99th percentile of the positive ones it is r where r is at most 1,
    ``1 + log(r)`` where it is more, and 0.01 where it is less than that. One outstanding feature
    thus does not push all others to the floor, and yet the best are no equals.

    Parameters
    ----------
    scores : array-like of shape (n_features,)
        NaN stands for a feature that has none and gets the floor.

    Returns
    -------
    desirability : ndarray of shape (n_features,), float64
        At least 0.01; all at the floor where no score is positive. An infinite score is one more
        than the most desirable of the others.
    """
    scores = np.asarray(scores, dtype=np.float64)
    # A feature that is constant within every class and differs between them separates perfectly:
    # its F is infinite, and a percentile would pass that on to all others.
    is_positive = np.isfinite(scores) & (scores > 0)
    desirability = np.full(scores.shape, FLOOR)
    if is_positive.any():
        ratio = np.log(scores[is_positive])
        ratio -= np.log(np.quantile(scores[is_positive], 0.99))
        desirability[is_positive] = np.where(ratio > 0, 1 + ratio, np.exp(ratio))
    desirability[np.isposinf(scores)] = desirability.max() + 1
    return desirability.clip(FLOOR)


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
