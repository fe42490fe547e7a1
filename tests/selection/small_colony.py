"""A colony small enough to run in a moment, a fitness for it, and what of it can be seen."""

from __future__ import annotations

import numpy as np

from fer_fast import Colony

ETA = np.random.default_rng(0).random(60)


def fitness(subset):
    return float(ETA[subset].mean() - 0.002 * len(subset))


def colony(**parameters):
    return Colony(ETA, **{"n_ants": 8, "q0": 0.5, "seed": 4, **parameters})


def credit(subset):
    """What the features of a subset earn: some of it negative."""
    return ETA[subset] - 0.5


def picture(colony):
    """Everything that a colony lets its user see."""
    best = colony.best_subset
    return {
        "best": None if best is None else best.tolist(),
        "answer": None if colony.answer is None else colony.answer.tolist(),
        "credited": [subset.tolist() for subset in colony.credited],
        "score": colony.best_score,
        "fitness": colony.best_fitness,
        "pheromone": colony.pheromone.tolist(),
        "sizes": colony.size_pheromone,
        "history": colony.history,
    }


def by_hand(colony, n_iterations):
    for _ in range(n_iterations):
        subsets = colony.ask()
        ants = colony.unscored()
        scores = [fitness(subset) if i in ants else None for i, subset in enumerate(subsets)]
        colony.tell(scores, [credit(subset) for subset in subsets])
    return colony
