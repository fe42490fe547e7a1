"""The ant colony in NumPy, written for reading: what `fer_fast.selection.Colony` computes.

Given the same parameters, both build the same subsets and the same pheromone. This one takes
O(n) steps for every feature that an ant takes.

References
----------
.. [1] M. Dorigo and L. M. Gambardella, "Ant Colony System: A Cooperative Learning Approach to the
   Traveling Salesman Problem", IEEE Transactions on Evolutionary Computation 1(1), 1997.
.. [2] T. Stützle and H. H. Hoos, "MAX-MIN Ant System", Future Generation Computer Systems 16(8),
   2000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

TAU_MAX = 1.0
_LARGEST = 2**40 - 1


@dataclass(frozen=True)
class Best:
    """The best subset so far: of equally fit ones the first."""

    subset: NDArray[np.int64]
    score: float
    fitness: float


class ReferenceColony:
    """An ant colony over the features of `desirability`; parameters as for `Colony`.

    Attributes
    ----------
    pheromone : ndarray of shape (n_features,), float64
    sizes : list of int
        Sizes that a subset may have, ascending.
    size_pheromone : ndarray of shape (n_sizes,), float64
    best : Best or None
    iteration : int
        Closed iterations.
    """

    def __init__(
        self,
        desirability: ArrayLike,
        *,
        n_ants: int = 20,
        alpha: float = 1.1,
        beta: float = 1.5,
        q0: float = 0.9,
        rho: float = 0.2,
        xi: float = 0.2,
        tau_min: float = 0.05,
        phi: float = 0.99,
        min_features: int = 1,
        max_features: int | None = None,
        seed: int = 0,
    ) -> None:
        eta = np.asarray(desirability, dtype=np.float64)
        self.n_features = len(eta)
        self.n_ants, self.alpha, self.q0 = n_ants, alpha, q0
        self.rho, self.xi, self.tau_min, self.phi, self.seed = rho, xi, tau_min, phi, seed
        self.sizes = ladder(min_features, max_features or self.n_features)
        self.pheromone = np.full(self.n_features, TAU_MAX)
        self.size_pheromone = np.full(len(self.sizes), TAU_MAX)
        self.best: Best | None = None
        self.iteration = 0
        self._desirability_powers = power(eta / eta.max(), beta)
        self._subsets: list[NDArray[np.int64]] = []
        self._scores: dict[bytes, float] = {}

    def ask(self) -> list[NDArray[np.int64]]:
        """Build a subset per ant, one ant after another."""
        if not self._subsets:
            self._subsets = [self._build(ant) for ant in range(self.n_ants)]
        return self._subsets

    def _build(self, ant: int) -> NDArray[np.int64]:
        stream = np.random.SeedSequence(self.seed, spawn_key=(self.iteration, ant))
        rng = np.random.PCG64(stream)
        size = self.sizes[roulette(fixed_point(self.size_pheromone), rng)]
        weights = fixed_point(power(self.pheromone, self.alpha) * self._desirability_powers)
        subset = walk(weights, size, self.q0, rng)
        self.pheromone[subset] = worn(self.pheromone[subset], self.xi, self.tau_min)
        return subset

    def tell(self, scores: Sequence[float | None]) -> None:
        """Score the subsets; the best so far is reinforced."""
        for subset, score in zip(self._subsets, scores, strict=True):
            if score is not None:
                self._scores.setdefault(subset.tobytes(), score)
        for subset in self._subsets:
            if subset.tobytes() in self._scores:
                self._record(subset, self._scores[subset.tobytes()])
        self._subsets = []
        self.iteration += 1
        best_features: NDArray[np.int64] = np.empty(0, np.int64)
        best_size: list[int] = []
        if self.best is not None:
            best_features = self.best.subset
            best_size = [self.sizes.index(len(best_features))]
        reinforce(self.pheromone, best_features, self.rho, self.tau_min)
        reinforce(self.size_pheromone, best_size, self.rho, self.tau_min)

    def _record(self, subset: NDArray[np.int64], score: float) -> None:
        parsimony = 1.0 - len(subset) / self.n_features
        fitness = self.phi * score + (1.0 - self.phi) * parsimony
        if self.best is None or fitness > self.best.fitness:
            self.best = Best(subset, score, fitness)


def ladder(smallest: int, largest: int) -> list[int]:
    """Return the sizes from `smallest` to `largest`, each double the one before."""
    sizes = []
    while smallest < largest:
        sizes.append(smallest)
        smallest *= 2
    return [*sizes, largest]


def power(base: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Return ``base**exponent`` by the C library, from which NumPy's own may differ by an ulp."""
    return np.array([math.pow(value, exponent) for value in base])


def fixed_point(shares: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return numbers in [0, 1] as integers with 40 fractional bits, rounded up.

    The sum of integers does not depend on their order, and an ulp's difference in a power cannot
    tip a choice.
    """
    return np.minimum(np.ceil(shares * 2.0**40), _LARGEST).astype(np.uint64)


def roulette(weights: NDArray[np.uint64], rng: np.random.PCG64) -> int:
    """Return an index drawn in proportion to `weights`."""
    cumulative = np.cumsum(weights)
    target = (rng.random_raw() * int(cumulative[-1])) >> 64
    return int(np.searchsorted(cumulative, target, side="right"))


def walk(
    weights: NDArray[np.uint64], size: int, q0: float, rng: np.random.PCG64
) -> NDArray[np.int64]:
    """Take `size` features by the pseudo-random-proportional rule ([1]_, eq. 3).

    With probability `q0` the unvisited feature of the largest weight is taken, ties by the lowest
    index; else one is drawn in proportion to the weights of the unvisited.

    A draw that hits a visited feature is repeated. Once visited features hold more than half of
    the pool's weight, they leave it; where nothing is left in it, the best feature is taken.
    `rng` gives a coin per step first, then a number per attempt to draw.
    """
    visited = np.zeros(len(weights), dtype=bool)
    pool = weights.copy()
    for is_greedy in np.random.Generator(rng).random(size) < q0:
        feature = None
        if not is_greedy:
            if 2 * int(pool[visited].sum()) > int(pool.sum()):
                pool[visited] = 0
            while pool.any() and (feature is None or visited[feature]):
                feature = roulette(pool, rng)
        if feature is None:
            feature = int(np.argmax(np.where(visited, -1, weights.astype(np.int64))))
        visited[feature] = True
    return np.flatnonzero(visited)


def worn(tau: NDArray[np.float64], xi: float, tau_min: float) -> NDArray[np.float64]:
    """Return the pheromone of features that an ant took ([1]_, eq. 5, but towards `tau_min`)."""
    return np.maximum((1.0 - xi) * tau + xi * tau_min, tau_min)


def reinforce(
    trail: NDArray[np.float64],
    best: NDArray[np.int64] | list[int],
    rho: float,
    tau_min: float,
) -> None:
    """Evaporate a trail, deposit on the `best` nodes, bound it ([1]_, eq. 4; [2]_, section 3.2)."""
    trail *= 1.0 - rho
    trail[best] += rho * TAU_MAX
    np.clip(trail, tau_min, TAU_MAX, out=trail)
