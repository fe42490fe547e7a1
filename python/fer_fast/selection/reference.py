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
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

TAU_MAX = 1.0
_LARGEST = 2**40 - 1


@dataclass(frozen=True)
class Best:
    """The best subset so far of an allowed size: of equally fit ones the first."""

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
    credited : list of ndarray
        Subsets whose credit was deposited last.
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
        xi: float | None = None,
        tau_min: float | None = None,
        phi: float = 0.99,
        deposit: Literal["best", "credit"] = "best",
        sizes: Literal["learned", "annealed"] = "learned",
        min_features: int = 1,
        max_features: int | None = None,
        tau0: ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        eta = np.asarray(desirability, dtype=np.float64)
        self.n_features = len(eta)
        self.n_ants, self.alpha, self.q0, self.rho = n_ants, alpha, q0, rho
        self.by_credit, self.is_annealed = deposit == "credit", sizes == "annealed"
        self.xi = (0.0 if self.by_credit else 0.2) if xi is None else xi
        self.tau_min = (0.01 if self.by_credit else 0.05) if tau_min is None else tau_min
        self.phi, self.seed = phi, seed
        self.sizes = ladder(min_features, max_features or self.n_features)
        self.pheromone = np.full(self.n_features, TAU_MAX)
        self.size_pheromone = np.full(len(self.sizes), TAU_MAX)
        self.best: Best | None = None
        self.credited: list[NDArray[np.int64]] = []
        self.iteration = 0
        self._desirability_powers = power(eta / eta.max(), beta)
        # A power of something positive may round to nothing.
        smallest = np.finfo(np.float64).tiny
        self._desirability_powers[eta > 0] = self._desirability_powers[eta > 0].clip(smallest)
        self._subsets: list[NDArray[np.int64]] = []
        self._scores: dict[bytes, float] = {}
        if tau0 is not None:
            trail = np.asarray(tau0, dtype=np.float64)
            level = self._level() if self.by_credit else 1
            self.pheromone = scaled(trail / trail.max(), level, self.tau_min)

    @property
    def answer(self) -> NDArray[np.int64] | None:
        """The subset to take, as `Colony.answer` says."""
        if self.best is not None:
            return self.best.subset
        if len(self.sizes) > 1 or not self.credited:
            return None
        order = np.argsort(-self._weights(self._most()).astype(np.int64), kind="stable")
        return np.sort(order[: self.sizes[0]])

    def ask(self) -> list[NDArray[np.int64]]:
        """Build a subset per ant, one ant after another."""
        if not self._subsets:
            size, n_ants = None, self.n_ants
            if self.is_annealed and self.n_features >> self.iteration > self.sizes[-1]:
                size = self.n_features >> self.iteration
                n_ants = min(2**self.iteration, 8)
            most = self._most()
            self._subsets = [self._build(ant, size, most) for ant in range(n_ants)]
        return self._subsets

    def _build(self, ant: int, size: int | None, most: float) -> NDArray[np.int64]:
        stream = np.random.SeedSequence(self.seed, spawn_key=(self.iteration, ant))
        rng = np.random.PCG64(stream)
        if size is None:
            size = self.sizes[roulette(fixed_point(self.size_pheromone), rng)]
        subset = walk(self._weights(most), size, self.q0, rng)
        self.pheromone[subset] = worn(self.pheromone[subset], self.xi, self.tau_min)
        return subset

    def _most(self) -> float:
        """Return the most pheromone there may be, or where it has no bound, that there is."""
        return float(self.pheromone.max()) if self.by_credit else TAU_MAX

    def _weights(self, most: float) -> NDArray[np.uint64]:
        weights = fixed_point(power(self.pheromone / most, self.alpha) * self._desirability_powers)
        return np.maximum(weights, self._desirability_powers > 0)

    def tell(
        self,
        scores: Sequence[float | None],
        credit: Sequence[ArrayLike | None] | None = None,
    ) -> None:
        """Score the subsets and update the pheromone."""
        news: dict[bytes, NDArray[np.float64]] = {}
        for i, (subset, score) in enumerate(zip(self._subsets, scores, strict=True)):
            if score is None or subset.tobytes() in self._scores:
                continue
            self._scores[subset.tobytes()] = score
            if self.by_credit and credit is not None:
                news[subset.tobytes()] = np.asarray(credit[i], dtype=np.float64)
        for subset in self._subsets:
            if subset.tobytes() in self._scores:
                self._record(subset, self._scores[subset.tobytes()])
        credited = [subset for subset in self._subsets if subset.tobytes() in news]
        self._subsets = []
        self.iteration += 1
        if self.by_credit:
            ants = [(subset, news[subset.tobytes()]) for subset in credited]
            share_out(self.pheromone, ants, self.rho, self._level(), self.tau_min)
            self.credited = credited or self.credited
        elif self.best is None:
            reinforce(self.pheromone, [], self.rho, self.tau_min)
        else:
            reinforce(self.pheromone, self.best.subset, self.rho, self.tau_min)
        best_size = [] if self.best is None else [self.sizes.index(len(self.best.subset))]
        reinforce(self.size_pheromone, best_size, self.rho, self.tau_min)

    def _record(self, subset: NDArray[np.int64], score: float) -> None:
        parsimony = 1.0 - len(subset) / self.n_features
        fitness = self.phi * score + (1.0 - self.phi) * parsimony
        is_allowed = self.sizes[0] <= len(subset) <= self.sizes[-1]
        if is_allowed and (self.best is None or fitness > self.best.fitness):
            self.best = Best(subset, score, fitness)

    def _level(self) -> int:
        return self.sizes[-1] if self.best is None else len(self.best.subset)


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


def share_out(
    trail: NDArray[np.float64],
    ants: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]],
    rho: float,
    level: int,
    tau_min: float,
) -> None:
    """Let every ant share the pheromone of its path out by its features' positive credit.

    Sums are running sums: NumPy's own adds pairwise, and its last bit differs.
    """
    given, takers = np.zeros(len(trail)), np.zeros(len(trail))
    for subset, credit in ants:
        if credit.max() <= 0:
            continue
        parts = (credit / credit.max()).clip(0)
        parts = parts / np.cumsum(parts)[-1]
        given[subset] += parts * np.cumsum(trail[subset])[-1]
        takers[subset] += 1
    taken = takers > 0
    if taken.any():
        mean = given[taken] / takers[taken]
        trail[taken] = (1.0 - rho) * trail[taken] + rho * mean
        trail[:] = scaled(trail, level, tau_min)


def scaled(trail: NDArray[np.float64], level: int, tau_min: float) -> NDArray[np.float64]:
    """Scale a trail so that its `level` largest values average 1, and bound it below."""
    mean = np.cumsum(np.sort(trail)[::-1][:level])[-1] / level
    bounded: NDArray[np.float64] = np.maximum(trail / mean, tau_min)
    return bounded
