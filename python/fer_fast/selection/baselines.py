"""What every choice of the ants is held against: simple answers at the same size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class CreditJudge(Protocol):
    """Says of a subset, beside its score, what each feature earned there."""

    def __call__(self, subset: NDArray[np.int64]) -> float | tuple[float, NDArray[np.float64]]:
        """Return a subset's score, and what each of its features earned."""

    def next_iteration(self, credited: Sequence[NDArray[np.int64]]) -> None:
        """Hear which subsets were credited last."""


def k_best(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the `k` features of the greatest scores, ascending; of equal ones the first.

    NaN is less than any number.
    """
    ranking = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")
    return np.sort(ranking[:k])


def credit_elimination(
    judge: CreditJudge, n_features: int, sizes: Sequence[int], *, step: float = 0.1
) -> dict[int, NDArray[np.int64]]:
    """Return subsets of some sizes, by recursive elimination of what earns least.

    It begins with all features, and drops the share `step` of those left that are worth least,
    until the least size is reached. A feature's worth is its share in the positive credit, averaged
    with what it was worth before by equal parts: the word of one forest is noise. Where the judge's
    credit is against a residual, it is that of the subset before. It is RFE [1]_ with the ants'
    credit in place of weights, in one pass for all sizes: what ants must be held against.

    Parameters
    ----------
    judge : callable
        Such as ``ForestFitness(..., credit="residual")`` that no colony uses.
    n_features : int
    sizes : sequence of int
        Each from 1 to `n_features`.
    step : float
        Between 0 and 1; at least one feature is dropped.

    Returns
    -------
    dict of int to ndarray of shape (size,), int64
        Ascending feature indices by their number.

    References
    ----------
    .. [1] I. Guyon, J. Weston, S. Barnhill and V. Vapnik, "Gene Selection for Cancer Classification
       using Support Vector Machines", Machine Learning 46, 2002.
    """
    wanted = sorted(set(sizes), reverse=True)
    subset, worth, found = np.arange(n_features), np.zeros(n_features), {}
    while wanted:
        if len(subset) == wanted[0]:
            found[wanted.pop(0)] = subset
            continue
        judged = judge(subset)
        assert isinstance(judged, tuple), "a judge without credit"
        judge.next_iteration([subset])
        n_kept = max(wanted[0], min(len(subset) - 1, int((1 - step) * len(subset))))
        earned = judged[1].clip(0)
        worth[subset] += earned / max(earned.sum(), np.finfo(float).tiny)
        worth /= 2
        subset = subset[k_best(worth[subset], n_kept)]
    return found


def baseline_subsets(
    F: NDArray[np.float64], k: int, *, random_state: int
) -> dict[str, NDArray[np.int64]]:
    """Return all features, the `k` best by F and `k` drawn by chance.

    Parameters
    ----------
    F : ndarray of shape (n_features,), float64
        `desirability.anova_f` of the features.
    k : int
        How many features the ants chose.
    random_state : int
        Seed of the draw.

    Returns
    -------
    dict of str to ndarray of shape (n_selected,), int64
        Ascending feature indices under ``all_features``, ``k_best`` and ``random``.
    """
    n_features = len(F)
    drawn = np.random.default_rng(random_state).choice(n_features, k, replace=False)
    return {
        "all_features": np.arange(n_features),
        "k_best": k_best(F, k),
        "random": np.sort(drawn),
    }
