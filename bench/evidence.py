"""Compare the ants' choice with chance and with cheaper ways to choose, at equal size.

Per seed a stratified draw of Training rows is searched, out of bag; the other Training rows, but
for exact copies of drawn ones, score forests of 90 trees that are grown on the drawn rows. Nothing
of PublicTest or PrivateTest is read. With --paper the paper's settings search such a draw and the
rows that SMOTE adds to it, and how many features to keep is the ants' to learn; with --rows 0 all
Training rows are searched, and those of PublicTest and PrivateTest that stand nowhere else score.
With --wide the features are two earlier layers' at 128 pixels, averaged over 2 x 2
cells: 12,288 of them. With --head they are those of one dense head of 30 epochs on what the preset
`best` reads: 128 that know all Training rows by heart, so that, as in a run, the PublicTest rows
that stand nowhere else judge; PrivateTest's score. Where no trained head is in the cache, one is
trained, for a quarter of an hour.

Every choice of every seed is appended to --out with its subset, and is not made again: a run that
was ended goes on. The tables, in Markdown, are made from that file:

    python bench/evidence.py --data DATA --weights WEIGHTS --out bench/results/evidence.json
    python bench/evidence.py --data DATA --weights WEIGHTS --out … --sizes 64 256 1024 --cheap
    python bench/evidence.py --data DATA --weights WEIGHTS --out … --paper
    python bench/evidence.py --data DATA --weights WEIGHTS --out … --wide --sizes 512
    python bench/evidence.py --data DATA --weights WEIGHTS --out … --head --sizes 16 32 64
    python bench/evidence.py --out bench/results/evidence.json --summarise
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import attempts
import numpy as np
import rankings
from choices import Record, Subset, measure
from evidence_summary import ANTS, show
from numpy.typing import NDArray

from fer_fast.balance.smote import balance_classes
from fer_fast.faces.dataset import Rows, Split
from fer_fast.faces.duplicates import deciding_rows, duplicate_groups, own_rows
from fer_fast.faces.splitting import stratified_parts
from fer_fast.features import FaceFeatures, extract
from fer_fast.forest.hist_forest import HistForestClassifier
from fer_fast.progress import SILENT
from fer_fast.selection.baselines import credit_elimination, k_best
from fer_fast.selection.desirability import anova_f
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.problem import n_halvings
from fer_fast.selection.search import (
    Search,
    TrainingRows,
    make_fitness,
    measure_desirability,
    search,
)
from fer_fast.settings import (
    PRESETS,
    Balance,
    ColonySettings,
    FitnessSettings,
    ForestSettings,
    RunSettings,
    Settings,
)

ANNEALED: dict[str, Any] = {
    "ants": 5,
    "alpha": 1.0,
    "beta": 0.0,
    "rho": 0.5,
    "sizes": "annealed",
    "desirability": "flat",
}
"""Few ants, many iterations, sizes halved down to the one wanted, no first trail."""

ITERATIONS_AFTER_ANNEALING = 6
MORE_ITERATIONS = 30
"""With which a search takes three times as many forests."""

WIDE: dict[str, Any] = {
    "size": 128,
    "taps": ("block_6_expand_relu", "block_13_expand_relu"),
    "pooling": "2x2",
}
ONE_HEAD: dict[str, Any] = {
    **{name: PRESETS["best"][name] for name in ("size", "taps", "pooling", "head")},
    "head_epochs": 30,
}
PAPER_BY_ROWS = {0: "paper, all rows", 5000: "paper"}

MORE_COLUMNS = 3
"""So many times the root of their number are looked at for a cut."""

N_FORESTS = 10
"""Whose importances are averaged."""

OF_WIDE = {ANTS, "credit elimination", "importances", "mRMR", "mutual information", "k best F"}
"""Choices among so many features that do not take too long."""

HINTS = ("flat", "f_classif", "oob_gain", "importances")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a local copy of FER-2013")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's ImageNet weights without top")
    parser.add_argument("--cache", type=Path, help="the cache to find the features in")
    parser.add_argument("--out", type=Path, required=True, help="where choices are kept, as JSON")
    parser.add_argument(
        "--rows", type=int, default=10_000, help="Training rows that are searched; 0: all"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 512], help="features")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--trees", type=int, default=30, help="of a forest that judges a subset")
    parser.add_argument("--scorers", type=int, default=2, help="final forests of each choice")
    parser.add_argument("--jobs", type=int, default=1, help="threads")
    parser.add_argument(
        "--cheap", action="store_true", help="one colony a size alone, and what is cheap beside it"
    )
    parser.add_argument("--wide", action="store_true", help="two earlier layers' features instead")
    parser.add_argument("--head", action="store_true", help="a dense head's features instead")
    parser.add_argument("--paper", action="store_true", help="the paper's setting instead")
    parser.add_argument("--attempts", action="store_true", help="beat elimination instead")
    parser.add_argument("--hints", action="store_true", help="compare first trails instead")
    parser.add_argument("--summarise", action="store_true", help="only print what --out holds")
    return parser.parse_args()


class Draw:
    """The rows of one seed: those that are searched, and those that score."""

    def __init__(
        self,
        features: FaceFeatures,
        searched: NDArray[np.intp],
        scoring: NDArray[np.intp],
        options: argparse.Namespace,
        seed: int,
        *,
        balance: Balance = "none",
        judging: NDArray[np.intp] | None = None,
        depth: int | None = None,
    ) -> None:
        dataset = features.dataset
        images = duplicate_groups(dataset)
        scoring = scoring[~np.isin(images[scoring], images[searched])]
        y = dataset.labels.astype(np.int64)
        self.X, self.y = np.ascontiguousarray(features.X[searched]), y[searched]
        self.training = TrainingRows(
            *balance_classes(self.X, self.y, balance, random_state=seed, n_jobs=options.jobs),
            images[searched].astype(np.int64),
        )
        self.X_scored, self.y_scored = features.X[scoring], y[scoring]
        self.validation = None if judging is None else Rows(features.X[judging], y[judging])
        self.depth = depth
        self.options, self.run = options, RunSettings(seed=seed, jobs=options.jobs)
        self.seed, self.n_features = seed, features.X.shape[1]

    @cached_property
    def f(self) -> NDArray[np.float64]:
        return anova_f(self.X, self.y)

    @cached_property
    def importances(self) -> NDArray[np.float64]:
        return rankings.importances(self.X, self.y, n_forests=1, seed=self.seed)

    def judge(self, deposit: Any, trees: int, seed: int | None = None) -> ForestFitness:
        return make_fitness(
            self.training,
            self.validation,
            FitnessSettings(fitness_rows=0, fitness_depth=self.depth),
            ForestSettings(trees=trees),
            deposit=deposit,
            seed=self.seed if seed is None else seed,
        )

    def ants(self, deposit: Any = "credit", **chosen: Any) -> Subset:
        """Return what a colony of these settings answers."""
        return self.searched(self.run.seed, deposit, **chosen).subset

    def searched(self, seed: int, deposit: Any = "credit", **chosen: Any) -> Search:
        """Return what a colony of these settings, of this seed, has found."""
        colony, run = ColonySettings(**chosen), replace(self.run, seed=seed)
        desirability = measure_desirability(
            self.f, self.training, colony, ForestSettings(), run, deposit=deposit
        )
        fitness = self.judge(deposit, self.options.trees, seed)
        return search(desirability, fitness, colony, run, deposit=deposit, reporter=SILENT)

    def eliminate(self, sizes: list[int]) -> dict[int, Subset]:
        """Drop a tenth of the features at a time, by the credit that ants deposit."""
        judge = self.judge("credit", rankings.ELIMINATION_TREES)
        return credit_elimination(judge, self.n_features, sizes)

    def random(self, k: int) -> Subset:
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.choice(self.n_features, k, replace=False))

    def best_random(self, k: int, n_subsets: int) -> Subset:
        rng = np.random.default_rng(self.seed)
        subsets = [np.sort(rng.choice(self.n_features, k, replace=False)) for _ in range(n_subsets)]
        with ThreadPoolExecutor(self.run.jobs) as pool:
            scores = list(pool.map(self.judge("best", self.options.trees), subsets))
        return subsets[int(np.argmax(scores))]

    def right(self, subset: Subset) -> NDArray[np.float64]:
        """Return for each scored row the share of the final forests that get it right."""
        training = self.training
        shares = []
        for seed in range(self.options.scorers):
            forest = HistForestClassifier(90, random_state=seed, n_jobs=self.run.jobs)
            forest.fit(training.X[:, subset], training.y)
            shares.append(forest.predict(self.X_scored[:, subset]) == self.y_scored)
        return np.mean(shares, axis=0)

    def facts(self, subset: Subset) -> dict[str, Any]:  # noqa: ARG002 - other rows know more
        return {}


def annealed(draw: Draw, k: int, iterations: int = ITERATIONS_AFTER_ANNEALING) -> dict[str, Any]:
    """Return settings that halve the sizes down to `k`, and go on for some iterations."""
    halvings = n_halvings(draw.n_features, k)
    return ANNEALED | {"min_features": k, "max_features": k, "iterations": halvings + iterations}


def compare_methods(
    draw: Draw, part: str, sizes: list[int], record: Record, *, cheap: bool
) -> None:
    """Hold the methods against each other at each size."""
    X, y, seed = draw.X, draw.y, draw.seed
    eliminated = cache(lambda: draw.eliminate(sizes))
    by_importances = cache(partial(rankings.eliminate_by_importances, X, y, sizes, seed=seed))
    of_ten = cache(partial(rankings.importances, X, y, n_forests=N_FORESTS, seed=seed))
    boruta = cache(partial(rankings.boruta, X, y, seed=seed))
    information = cache(partial(rankings.mutual_information, X, y))
    mrmr = cache(partial(rankings.mrmr, X, y, max(sizes)))
    for k in sizes:
        size = {"min_features": k, "max_features": k}
        methods: dict[str, Callable[[], Subset]] = {
            ANTS: partial(draw.ants, **annealed(draw, k)),
            "credit elimination": lambda k=k: eliminated()[k],
            "elimination by importances": lambda k=k: by_importances()[k],
            "importances": lambda k=k: k_best(draw.importances, k),
            "importances of 10 forests": lambda k=k: k_best(of_ten(), k),
            "Boruta's ranking": lambda k=k: k_best(boruta(), k),
            "mRMR": lambda k=k: np.sort(mrmr()[:k]),
            "mutual information": lambda k=k: k_best(information(), k),
            "k best F": partial(k_best, draw.f, k),
        }
        if not cheap:
            methods |= {
                "ants, three times the forests": partial(
                    draw.ants, **annealed(draw, k, MORE_ITERATIONS)
                ),
                "ants, the paper's numbers": partial(draw.ants, **size),
                "ants, best subset deposited, F": partial(draw.ants, "best", **size),
                "best of 60 random": partial(draw.best_random, k, 60),
            }
        if part == "wide":
            methods = {name: choose for name, choose in methods.items() if name in OF_WIDE}
        measure(record, draw, part, k, methods)
    n = draw.n_features
    measure(record, draw, part, n, {"all": lambda: np.arange(n)})


def attempt(draw: Draw, sizes: list[int], record: Record) -> None:
    """Try to do better than credit elimination: see `attempts`."""
    X, y, seed = draw.X, draw.y, draw.seed
    gain = partial(rankings.eliminate_by_importances, X, y, sizes, seed=seed, out_of_bag=True)
    by_gain, by_more = cache(gain), cache(partial(gain, more=MORE_COLUMNS))
    judges = [draw.judge("best", draw.options.trees, seed + i) for i in (1, 2)]
    for k in sizes:
        settings = annealed(draw, k)

        def colony(seed: int, settings: dict[str, Any] = settings) -> Subset:
            return draw.searched(seed, **settings).subset

        def swapped(settings: dict[str, Any] = settings) -> Subset:
            found = draw.searched(seed, **settings)
            return attempts.swap(found.subset, judges, found.pheromone, seed)

        methods: dict[str, Callable[[], Subset]] = {
            ANTS: partial(colony, seed),
            "ants, then swaps": swapped,
            "five colonies' consensus": partial(
                attempts.consensus, colony, draw.n_features, k, seed
            ),
            "elimination by gain": lambda k=k: by_gain()[k],
            "elimination by gain, three times the columns a cut": lambda k=k: by_more()[k],
        }
        measure(record, draw, "equal", k, methods)


def compare_hints(draw: Draw, sizes: list[int], record: Record) -> None:
    """Hold first trails against each other, with the paper's numbers."""
    for k in sizes:
        size = {"min_features": k, "max_features": k}
        methods = {hint: partial(draw.ants, **size, desirability=hint) for hint in HINTS}
        measure(record, draw, "hints", k, methods)


def in_the_papers_setting(draw: Draw, part: str, record: Record) -> None:
    """Let the ants learn k, then hold other choices of that k against theirs."""
    paper = PRESETS["paper"]
    names = ("ants", "iterations", "alpha", "beta", "q0", "rho", "max_features")
    colony = {name: paper[name] for name in names}
    draw.options.trees = paper["trees"]
    ants: dict[str, Callable[[], Subset]] = {ANTS: lambda: draw.ants(**colony)}
    measure(record, draw, part, 0, ants)
    found = record.find(part=part, seed=draw.seed, method=ANTS)
    assert found is not None
    k = len(found["subset"])
    others: dict[str, Callable[[], Subset]] = {
        "credit elimination": lambda: draw.eliminate([k])[k],
        "importances": lambda: k_best(draw.importances, k),
        "k best F": lambda: k_best(draw.f, k),
        "random": lambda: draw.random(k),
        "all": lambda: np.arange(draw.n_features),
    }
    measure(record, draw, part, 0, ants | others)


def draw_of(features: FaceFeatures, options: argparse.Namespace, seed: int) -> Draw:
    """Return a draw of Training rows, and those left to score; or all, and the test splits'."""
    dataset = features.dataset
    drawn = training = dataset.rows(Split.TRAINING)
    rest = np.setdiff1d(np.arange(len(dataset)), training)
    if options.rows:
        chosen, _ = stratified_parts(dataset.labels[training], options.rows, random_state=seed)
        drawn = np.sort(training[chosen])
        rest = np.setdiff1d(training, drawn)
    if options.head:
        return Draw(
            *(features, drawn, own_rows(dataset, Split.PRIVATE_TEST), options, seed),
            judging=deciding_rows(dataset),
            depth=PRESETS["best"]["fitness_depth"],
        )
    balance: Balance = "smote" if options.paper else "none"
    return Draw(features, drawn, rest, options, seed, balance=balance)


def features_of(options: argparse.Namespace) -> FaceFeatures:
    """Return the features that the options ask for."""
    seen: dict[str, Any] = WIDE if options.wide else {"size": 48}
    if options.head:
        seen = ONE_HEAD
    return extract(Settings(data=options.data, weights=options.weights, jobs=options.jobs, **seen))


def main() -> None:
    options = parse()
    record = Record(options.out)
    if options.summarise:
        show(record.runs)
        return
    if options.cache is not None:
        os.environ["FER_FAST_CACHE"] = str(options.cache)
    features = features_of(options)
    for seed in options.seeds:
        draw = draw_of(features, options, seed)
        if options.paper:
            part = PAPER_BY_ROWS.get(options.rows, f"paper, {options.rows:,} rows")
            in_the_papers_setting(draw, part, record)
        elif options.attempts:
            attempt(draw, options.sizes, record)
        elif options.hints:
            compare_hints(draw, options.sizes, record)
        else:
            part = "wide" if options.wide else "best" if options.head else "equal"
            compare_methods(draw, part, options.sizes, record, cheap=options.cheap)
    show(record.runs)


if __name__ == "__main__":
    main()
