"""Three attempts at a choice that is better than credit elimination's, for more forests.

Each takes what `evidence.py` draws in one seed, and how many columns to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import rankings
from numpy.typing import NDArray

from fer_fast import HistForestClassifier
from fer_fast.selection.baselines import credit_elimination, k_best

Subset = NDArray[np.int64]
Judge = Callable[[Subset], float]

N_COLONIES = 5
N_SWAPS = 60
SWAPPED = 16
"""One column of so many is exchanged at a time."""

MORE_COLUMNS = 3
"""So many times the root of their number are looked at for a cut."""


def consensus(colony: Callable[[int], Subset], n_columns: int, k: int, seed: int) -> Subset:
    """Return the columns that most of five colonies took, of equals those of the earlier colonies.

    `colony` takes a seed, and returns what ants of that seed answer.
    """
    votes = np.zeros(n_columns)
    for i in range(N_COLONIES):
        votes[colony(seed + 1000 * i)] += 1 + 0.1 / (i + 1)
    return k_best(votes, k)


def swap(subset: Subset, judges: Sequence[Judge], worth: NDArray[np.float64], seed: int) -> Subset:
    """Exchange columns as long as every judge prefers the changed subset.

    Who leaves is drawn from the half of the subset that is worth least, who comes from as many of
    the others that are worth most. The judges have a seed each, the same for every subset: the two
    forests of a pair have drawn the same rows.
    """
    rng = np.random.default_rng(seed)
    n_swapped = max(1, len(subset) // SWAPPED)
    best = [judge(subset) for judge in judges]
    for _ in range(N_SWAPS):
        inside, outside = (
            columns[np.argsort(worth[columns], kind="stable")]
            for columns in (subset, np.setdiff1d(np.arange(len(worth)), subset))
        )
        leaving = rng.choice(inside[: len(subset) // 2], n_swapped, replace=False)
        coming = rng.choice(outside[-max(len(subset), n_swapped) :], n_swapped, replace=False)
        changed = np.sort(np.concatenate([np.setdiff1d(subset, leaving), coming]))
        scores = [judge(changed) for judge in judges]
        if all(new > old for new, old in zip(scores, best, strict=True)):
            subset, best = changed, scores
    return subset


class _Gain:
    """Says of a subset what its columns gain on rows that a tree did not draw."""

    def __init__(
        self, X: NDArray[np.float32], y: NDArray[np.int64], seed: int, more: float
    ) -> None:
        self._X, self._y, self._seed, self._more = X, y, seed, more

    def __call__(self, subset: Subset) -> tuple[float, NDArray[np.float64]]:
        forest = HistForestClassifier(
            rankings.ELIMINATION_TREES,
            max_features=max(1, min(len(subset), int(self._more * len(subset) ** 0.5))),
            oob_score=True,
            random_state=self._seed,
            n_jobs=1,
        )
        self._seed += 1
        return 0.0, forest.fit(self._X[:, subset], self._y).oob_feature_importances_

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Hear nothing: plain gain is of one forest."""


def eliminate_by_gain(
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    sizes: Sequence[int],
    *,
    seed: int,
    more: float = 1,
) -> dict[int, Subset]:
    """Return subsets by recursive elimination, all but the credit as in `credit_elimination`.

    A cut looks at the root of the number of columns left, times `more`.
    """
    return credit_elimination(_Gain(X, y, seed, more), X.shape[1], sizes)
