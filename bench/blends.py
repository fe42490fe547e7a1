"""Look for credit between gain and residual that is better than both, on made matrices and real.

A feature earns against R = [y = c] - w P, where P are the probabilities of the forest before: w = 0
is plain out-of-bag gain, w = 1 the residual. Columns are eliminated by such credit, a tenth at a
time, and two forests of 90 trees on those left are scored on other rows. The rules for w are
thought up on the matrices that are made here, and tried on those of `matrices.py`.

Every choice is appended to --out, and not made again:

    python bench/blends.py --out bench/results/blends.json
    python bench/blends.py --test --seeds 0 1 2 3 4 --out bench/results/blends.json
    python bench/blends.py --out bench/results/blends.json --summarise
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import rankings
from blends_summary import RESIDUAL, show
from choices import Record, Subset, measure
from matrices import Choice
from matrices_made import MATRICES, N_SCORED, NOBODYS, Matrix, shuffled
from numpy.typing import NDArray

from fer_fast import HistForestClassifier
from fer_fast._core import Forest
from fer_fast.selection.baselines import credit_elimination
from fer_fast.selection.fitness import score_probabilities

Array = NDArray[np.float64]
Weigh = Callable[["Judge", Subset, Array], float]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="where choices are kept, as JSON")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(12)))
    parser.add_argument("--test", action="store_true", help="on the matrices of matrices.py")
    parser.add_argument("--summarise", action="store_true", help="only print what --out holds")
    return parser.parse_args()


class Judge:
    """Credits features against class indicators minus a share of what is explained."""

    def __init__(self, X: NDArray[np.float32], y: NDArray[np.int64], weigh: Weigh, seed: int):
        classes, labels = np.unique(y, return_inverse=True)
        self.indicators = (y[:, np.newaxis] == classes).astype(np.float64)
        self.n_columns = X.shape[1]
        self._forest = Forest(
            np.ascontiguousarray(X),
            labels.astype(np.uint8),
            len(classes),
            n_trees=rankings.ELIMINATION_TREES,
            draws=len(y),
        )
        self._R, self._weigh, self._seed = self.indicators, weigh, seed
        self._explained = np.zeros_like(self.indicators)

    def __call__(self, subset: Subset) -> tuple[float, Array]:
        explained, credit = self._grow(subset, self._R)
        # Of a row that every tree drew nothing is known.
        self._explained = np.nan_to_num(explained, nan=0.0)
        return 0.0, credit

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        weight = self._weigh(self, credited[0], self._explained)
        self._R = self.indicators - weight * self._explained
        self._seed += 1

    def credit(self, subset: Subset, R: Array) -> Array:
        """Return what the last forest's features would have earned against another R."""
        return self._grow(subset, R)[1]

    def _grow(self, subset: Subset, R: Array) -> tuple[Array, Array]:
        return self._forest.evaluate(np.ascontiguousarray(subset), self._seed, 1, R)


def always(weight: float) -> Weigh:
    return lambda *_: weight


def rows_per_column(judge: Judge, subset: Subset, explained: Array) -> float:  # noqa: ARG001
    return min(1.0, len(explained) / judge.n_columns)


def rows_per_kept(judge: Judge, subset: Subset, explained: Array) -> float:  # noqa: ARG001
    return min(1.0, len(explained) / (10 * len(subset)))


def reliability(judge: Judge, subset: Subset, explained: Array) -> float:
    """Return how alike two halves of the rows see the residual's credit.

    Spearman and Brown's formula: the share of the variance of both halves' sum that is no noise.
    """
    residual = judge.indicators - explained
    is_first = np.random.default_rng(len(subset)).permutation(len(residual)) < len(residual) // 2
    halves = [judge.credit(subset, residual * rows[:, None]) for rows in (is_first, ~is_first)]
    if min(half.std() for half in halves) == 0:
        return 1.0
    alike = max(0.0, float(np.corrcoef(*halves)[0, 1]))
    return 2 * alike / (1 + alike)


WAYS: dict[str, Weigh] = {
    RESIDUAL: always(1.0),
    "gain, w = 0": always(0.0),
    "w = .5": always(0.5),
    "w = rows / columns": rows_per_column,
    "w = rows / 10 columns left": rows_per_kept,
    "w = the credit's reliability": reliability,
}
"""The first is what the others are held against."""


def eliminate(matrix: Matrix, weigh: Weigh, seed: int) -> Subset:
    judge = Judge(matrix.X, matrix.y, weigh, seed)
    return credit_elimination(judge, judge.n_columns, [matrix.k])[matrix.k]


def race(matrix: Matrix, seed: int) -> Subset:
    """Eliminate by gain or by residual: by which half of the rows says more of the other."""
    X, y = matrix.X, matrix.y
    order = np.random.default_rng(seed).permutation(len(y))
    halves = order[: len(y) // 2], order[len(y) // 2 :]
    scores = {}
    for weight in (1.0, 0.0):
        scores[weight] = 0.0
        for seen, held in (halves, halves[::-1]):
            half = Matrix(X[seen], y[seen], X[held], y[held], matrix.k)
            subset = eliminate(half, always(weight), seed)
            forest = HistForestClassifier(90, random_state=seed, n_jobs=1)
            said = forest.fit(half.X[:, subset], half.y).predict_proba(half.X_scored[:, subset])
            scores[weight] += score_probabilities(half.y_scored, said, forest.classes_, "brier")
    return eliminate(matrix, always(max(scores, key=lambda weight: scores[weight])), seed)


def compare(matrix: Matrix, name: str, seed: int, record: Record) -> None:
    """Hold the ways to weigh against each other."""
    methods: dict[str, Callable[[], Subset]] = {
        way: partial(eliminate, matrix, weigh, seed) for way, weigh in WAYS.items()
    }
    methods["gain or residual, by held-out halves"] = partial(race, matrix, seed)
    measure(record, Choice(matrix, seed), name, matrix.k, methods)


def sparse(seed: int) -> Matrix:
    """300 rows, 2,000 columns: 15 independent ones matter, each less."""
    rng = np.random.default_rng(1000 + seed)
    X = rng.standard_normal((300 + N_SCORED, 2000))
    weights = np.linspace(1.5, 0.3, 15) * rng.choice([-1, 1], 15)
    y = X[:, :15] @ weights + rng.logistic(size=len(X)) > 0
    blocks = np.where(np.arange(2000) < 15, np.arange(2000), NOBODYS)
    return shuffled(X, y, blocks, 300, 20, rng)


def tiers(seed: int, n: int, n_columns: int, n_copies: int, n_tiers: int, k: int) -> Matrix:
    """Return things of falling worth with copies of each, and noise."""
    rng = np.random.default_rng(2000 + seed)
    hidden = rng.standard_normal((n + N_SCORED, n_tiers))
    X = rng.standard_normal((n + N_SCORED, n_columns))
    n_telling = n_tiers * n_copies
    X[:, :n_telling] = np.repeat(hidden, n_copies, axis=1) + 0.5 * X[:, :n_telling]
    weights = rng.standard_normal((n_tiers, 3)) * np.linspace(2, 0.4, n_tiers)[:, np.newaxis]
    y = (hidden @ weights + rng.standard_normal((len(X), 3))).argmax(axis=1)
    columns = np.arange(n_columns)
    blocks = np.where(columns < n_telling, columns // n_copies, NOBODYS)
    return shuffled(X, y, blocks, n, k, rng)


def chain(seed: int) -> Matrix:
    """400 rows, 800 columns, each correlated with the one before by .9: twelve matter."""
    rng = np.random.default_rng(3000 + seed)
    X = rng.standard_normal((400 + N_SCORED, 800))
    for j in range(1, 800):
        X[:, j] = 0.9 * X[:, j - 1] + np.sqrt(0.19) * X[:, j]
    at = rng.choice(800, 12, replace=False)
    weights = np.linspace(1.5, 0.5, 12) * rng.choice([-1, 1], 12)
    y = X[:, at] @ weights + rng.logistic(size=len(X)) > 0
    blocks = np.full(800, NOBODYS)
    blocks[at] = np.arange(12)
    return shuffled(X, y, blocks, 400, 12, rng)


MADE: dict[str, Callable[[int], Matrix]] = {
    "sparse": sparse,
    "tiers, few rows": partial(tiers, n=300, n_columns=2000, n_copies=20, n_tiers=8, k=12),
    "tiers, many rows": partial(tiers, n=1500, n_columns=300, n_copies=15, n_tiers=10, k=20),
    "chain": chain,
}


def main() -> None:
    options = parse()
    record = Record(options.out)
    if not options.summarise:
        for seed in options.seeds:
            for name, make in (MATRICES if options.test else MADE).items():
                compare(make(seed), name, seed, record)
    show(record.runs)


if __name__ == "__main__":
    main()
