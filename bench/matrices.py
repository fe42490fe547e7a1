"""Hold the ants against simpler choices on matrices that are not faces, and on permuted labels.

Per seed a matrix is split, or made, anew. `AntColonySelector` without an estimator, and each other
way to choose as many columns, see the rows to learn from; two forests of 90 trees on the chosen
columns are scored on the others. Of made matrices it is known which columns, or blocks of
correlated ones, matter: how many of them a choice has is counted.

With --permuted the labels of the rows to learn from are shuffled, and a pipeline of selector and
forest is cross-validated: beyond chance there is nothing to find. Beside it stands what comes out
if the columns were chosen on all rows first, and the folds are drawn then.

Every choice is appended to --out, and not made again:

    python bench/matrices.py --out bench/results/matrices.json
    python bench/matrices.py --out bench/results/matrices.json --permuted
    python bench/matrices.py --out bench/results/matrices.json --summarise
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rankings
from choices import Record, Subset, measure
from evidence_summary import ANTS
from matrices_made import MATRICES, Matrix
from matrices_summary import show
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from fer_fast import AntColonySelector, HistForestClassifier
from fer_fast.selection.baselines import credit_elimination, k_best
from fer_fast.selection.desirability import anova_f
from fer_fast.selection.fitness import ForestFitness
from fer_fast.settings import Credit

N_FOLDS = 3
N_SCORERS = 2
MANY = 10_000
SLOW = {"Boruta's ranking", "importances of 10 forests", "mutual information"}
"""Left out where there are so many columns."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="where choices are kept, as JSON")
    parser.add_argument("--only", nargs="+", choices=MATRICES, default=list(MATRICES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--permuted", action="store_true", help="shuffle the labels")
    parser.add_argument("--summarise", action="store_true", help="only print what --out holds")
    return parser.parse_args()


@dataclass(frozen=True)
class Choice:
    """A matrix of one seed, to choose columns of."""

    matrix: Matrix
    seed: int

    @property
    def n_features(self) -> int:
        return self.matrix.X.shape[1]

    def right(self, subset: Subset) -> NDArray[np.float64]:
        matrix = self.matrix
        forests = [
            HistForestClassifier(90, random_state=seed, n_jobs=1) for seed in range(N_SCORERS)
        ]
        said = [
            forest.fit(matrix.X[:, subset], matrix.y).predict(matrix.X_scored[:, subset])
            for forest in forests
        ]
        right: NDArray[np.float64] = np.mean([one == matrix.y_scored for one in said], axis=0)
        return right

    def facts(self, subset: Subset) -> dict[str, Any]:
        return {"n_kept": len(subset), "found": self.matrix.found(subset)}

    def ants(self, **parameters: Any) -> Subset:
        selector = AntColonySelector(n_jobs=1, random_state=self.seed, **parameters)
        return np.flatnonzero(selector.fit(self.matrix.X, self.matrix.y).support_)

    def eliminate(self, k: int, credit: Credit = "residual") -> Subset:
        judge = ForestFitness(
            self.matrix.X,
            self.matrix.y,
            n_estimators=rankings.ELIMINATION_TREES,
            scoring="brier",
            credit=credit,
            random_state=self.seed,
        )
        return credit_elimination(judge, self.n_features, [k])[k]

    def random(self, k: int) -> Subset:
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(self.n_features, k, replace=False))


def compare(matrix: Matrix, name: str, seed: int, record: Record) -> None:
    """Hold the ways to choose against each other."""
    X, y, k = matrix.X, matrix.y, matrix.k
    choice = Choice(matrix, seed)
    one = partial(rankings.importances, X, y, n_forests=1, seed=seed)
    ten = partial(rankings.importances, X, y, n_forests=10, seed=seed)
    methods: dict[str, Callable[[], Subset]] = {
        ANTS: partial(choice.ants, n_features_to_select=k),
        "ants, their own k": choice.ants,
        "credit elimination": partial(choice.eliminate, k),
        "elimination by gain": partial(choice.eliminate, k, "gain"),
        "elimination by importances": lambda: rankings.eliminate_by_importances(
            X, y, [k], seed=seed
        )[k],
        "importances": lambda: k_best(one(), k),
        "importances of 10 forests": lambda: k_best(ten(), k),
        "Boruta's ranking": lambda: k_best(rankings.boruta(X, y, seed=seed), k),
        "mRMR": lambda: np.sort(rankings.mrmr(X, y, k)),
        "mutual information": lambda: k_best(rankings.mutual_information(X, y), k),
        "k best F": lambda: k_best(anova_f(X, y), k),
        "random": lambda: choice.random(k),
        "all": lambda: np.arange(X.shape[1]),
    }
    if X.shape[1] > MANY:
        methods = {way: choose for way, choose in methods.items() if way not in SLOW}
        linear = partial(choice.ants, estimator=LogisticRegression(), n_ants=8, max_features=200)
        methods["ants around a logistic regression"] = linear
    measure(record, choice, name, k, methods)


def compare_permuted(matrix: Matrix, name: str, seed: int, record: Record) -> None:
    """Cross-validate what is chosen by labels that say nothing."""
    X, y = matrix.X, np.random.default_rng(seed).permutation(matrix.y)
    folds = list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, y))

    def choose(rows: NDArray[np.intp]) -> Subset:
        selector = AntColonySelector(n_jobs=1, random_state=seed)
        return np.flatnonzero(selector.fit(X[rows], y[rows]).support_)

    on_all: list[Subset] = []

    def once(rows: NDArray[np.intp]) -> Subset:  # noqa: ARG001 - that is the fault
        if not on_all:
            on_all.append(choose(np.arange(len(y))))
        return on_all[0]

    for method, chosen_on in (("within each fold", choose), ("before the folds", once)):
        key = {"part": "permuted", "matrix": name, "seed": seed, "method": method}
        if record.find(**key):
            continue
        scores = []
        for train, test in folds:
            subset = chosen_on(train)
            forest = HistForestClassifier(90, random_state=seed, n_jobs=1)
            said = forest.fit(X[train][:, subset], y[train]).predict(X[test][:, subset])
            scores.append(float(balanced_accuracy_score(y[test], said)))
        record.add(**key, balanced_accuracy=float(np.mean(scores)), chance=1 / len(np.unique(y)))
        print(f"permuted {name}, seed {seed}: {np.mean(scores):.4f} {method}", flush=True)


def main() -> None:
    options = parse()
    record = Record(options.out)
    if not options.summarise:
        for seed in options.seeds:
            for name in options.only:
                deed = compare_permuted if options.permuted else compare
                deed(MATRICES[name](seed), name, seed, record)
    show(record.runs)


if __name__ == "__main__":
    main()
