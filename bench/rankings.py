"""Cheap ways to choose columns, which ants must be held against: rankings and an elimination.

Each takes rows and labels, and returns a score for each column, or subsets by their size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fer_fast import HistForestClassifier
from fer_fast.selection.baselines import credit_elimination
from fer_fast.selection.desirability import anova_f

Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]
Scores = NDArray[np.float64]
Subset = NDArray[np.int64]

N_BINS = 16
LEAST_CORRELATION = 0.001
"""What a column that is correlated with no chosen one is divided by in `mrmr`."""

BORUTA_ROUNDS = 10
ELIMINATION_TREES = 30
"""As many as credit elimination has."""


def mutual_information(X: Matrix, y: Labels) -> Scores:
    """Return each column's with the class, from a table of 16 bins of equal counts."""
    n = len(y)
    at = np.linspace(0, 1, N_BINS + 1)[1:-1]
    found = np.empty(X.shape[1])
    classes = np.bincount(y) / n
    for j, column in enumerate(X.T):
        bins = np.searchsorted(np.quantile(column, at), column, side="right")
        share = np.bincount(bins * len(classes) + y, minlength=N_BINS * len(classes)) / n
        share = share.reshape(N_BINS, len(classes))
        expected = share.sum(axis=1, keepdims=True) * classes
        some = share > 0
        found[j] = (share[some] * np.log(share[some] / expected[some])).sum()
    return found


def mrmr(X: Matrix, y: Labels, k: int) -> Subset:
    """Return `k` columns in the order in which they are taken.

    Of maximal relevance and minimal redundancy: F over the mean absolute correlation with the
    columns taken before, "FCQ" in Zhao, Anand and Wang (DSAA 2019), after Ding and Peng (2005).
    """
    F = np.nan_to_num(anova_f(X, y))
    Z = (X - X.mean(axis=0)).astype(np.float32)
    Z /= np.maximum(np.linalg.norm(Z, axis=0), np.finfo(np.float32).tiny)
    redundancy = np.zeros(X.shape[1])
    taken: list[int] = []
    for _ in range(k):
        mean = redundancy / len(taken) if taken else np.ones(X.shape[1])
        score = F / np.maximum(mean, LEAST_CORRELATION)
        score[taken] = -1
        taken.append(int(score.argmax()))
        redundancy += np.abs(Z.T @ Z[:, taken[-1]])
    return np.array(taken)


def importances(X: Matrix, y: Labels, *, n_forests: int, seed: int) -> Scores:
    """Return the mean decrease of impurity in forests of 90 trees."""
    forests = [HistForestClassifier(90, random_state=seed + i, n_jobs=1) for i in range(n_forests)]
    return np.mean([forest.fit(X, y).feature_importances_ for forest in forests], axis=0)


def boruta(X: Matrix, y: Labels, *, seed: int, rounds: int = BORUTA_ROUNDS) -> Scores:
    """Return how often a column is more important than every shuffled one, ties by importance.

    Kursa and Rudnicki (2010): in each round a forest also has a shuffled copy of each column.
    """
    rng = np.random.default_rng(seed)
    n_columns = X.shape[1]
    hits, total = np.zeros(n_columns), np.zeros(n_columns)
    columns = np.ascontiguousarray(X.T)
    for _ in range(rounds):
        both = np.concatenate([columns, rng.permuted(columns, axis=1)]).T
        forest = HistForestClassifier(30, random_state=int(rng.integers(2**32)), n_jobs=1)
        found = forest.fit(np.ascontiguousarray(both), y).feature_importances_
        hits += found[:n_columns] > found[n_columns:].max()
        total += found[:n_columns]
    # Of less than one hit.
    return hits + total / (total.sum() + 1)


class _Importances:
    """Says of a subset what its columns' importances in a forest are, in bag or out of bag."""

    def __init__(self, X: Matrix, y: Labels, seed: int, out_of_bag: bool, more: float) -> None:
        self._X, self._y, self._seed = X, y, seed
        self._out_of_bag, self._more = out_of_bag, more

    def __call__(self, subset: Subset) -> tuple[float, Scores]:
        forest = HistForestClassifier(
            ELIMINATION_TREES,
            max_features=max(1, min(len(subset), int(self._more * len(subset) ** 0.5))),
            oob_score=self._out_of_bag,
            random_state=self._seed,
            n_jobs=1,
        )
        self._seed += 1
        forest.fit(self._X[:, subset], self._y)
        return 0.0, (
            forest.oob_feature_importances_ if self._out_of_bag else forest.feature_importances_
        )

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Hear nothing: importances are of one forest."""


def eliminate_by_importances(
    X: Matrix,
    y: Labels,
    sizes: Sequence[int],
    *,
    seed: int,
    out_of_bag: bool = False,
    more: float = 1,
) -> dict[int, Subset]:
    """Return subsets by recursive elimination, all but the credit as in `credit_elimination`.

    Out of bag, importances are the columns' gain on rows that a tree did not draw. A cut looks at
    the root of the number of columns left, times `more`.
    """
    judge = _Importances(X, y, seed, out_of_bag, more)
    return credit_elimination(judge, X.shape[1], sizes)
