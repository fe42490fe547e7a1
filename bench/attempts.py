"""Two attempts at a choice that is better than credit elimination's, for more forests.

Each takes what `evidence.py` draws in one seed, and how many columns to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fer_fast.selection.baselines import k_best

Subset = NDArray[np.int64]
Judge = Callable[[Subset], float]

N_COLONIES = 5
N_SWAPS = 60
SWAPPED = 16
"""One column of so many is exchanged at a time."""


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
