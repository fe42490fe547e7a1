"""What every choice of the ants is held against: simple answers at the same size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_fast.selection.desirability import anova_ranking


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
        "k_best": np.sort(anova_ranking(F)[:k]),
        "random": np.sort(drawn),
    }
