"""Compare the ants' choice with chance and with cheaper ways to choose, at equal size.

Per seed a stratified draw of Training rows is searched, out of bag; the other Training rows, but
for exact copies of drawn ones, score forests of 90 trees that are grown on the drawn rows. Nothing
of PublicTest or PrivateTest is read. With --paper the settings of the paper's experiment search all
Training rows, without SMOTE, and the rows of PublicTest and PrivateTest that stand nowhere else
score their choice.

Every choice of every seed is appended to --out with its subset, and is not made again: a run that
was ended goes on. The tables, in Markdown, are made from that file:

    python bench/evidence.py --data DATA --weights WEIGHTS --out bench/results/evidence.json
    python bench/evidence.py --data DATA --weights WEIGHTS --out … --paper
    python bench/evidence.py --out bench/results/evidence.json --summarise
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from common import machine
from evidence_summary import ANTS, show
from numpy.typing import NDArray

from fer_fast.faces.dataset import Split
from fer_fast.faces.duplicates import duplicate_groups
from fer_fast.faces.splitting import stratified_parts
from fer_fast.features import FaceFeatures, extract
from fer_fast.forest.subset import fit_classifier
from fer_fast.progress import SILENT
from fer_fast.selection.baselines import credit_elimination, k_best
from fer_fast.selection.desirability import anova_f, forest_scores
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.search import TrainingRows, make_fitness, measure_desirability, search
from fer_fast.settings import (
    PRESETS,
    ColonySettings,
    FitnessSettings,
    ForestSettings,
    RunSettings,
    Settings,
)

Subset = NDArray[np.int64]

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
N_BINS = 16
HINTS = ("flat", "f_classif", "oob_gain", "importances")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a local copy of FER-2013")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's ImageNet weights without top")
    parser.add_argument("--cache", type=Path, help="the cache to find the features in")
    parser.add_argument("--out", type=Path, required=True, help="where choices are kept, as JSON")
    parser.add_argument("--rows", type=int, default=10_000, help="Training rows that are searched")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 512], help="features")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--trees", type=int, default=30, help="of a forest that judges a subset")
    parser.add_argument("--scorers", type=int, default=2, help="final forests of each choice")
    parser.add_argument("--jobs", type=int, default=1, help="threads")
    parser.add_argument("--paper", action="store_true", help="the paper's setting instead")
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
    ) -> None:
        dataset = features.dataset
        images = duplicate_groups(dataset)
        scoring = scoring[~np.isin(images[scoring], images[searched])]
        y = dataset.labels.astype(np.int64)
        self.training = TrainingRows(
            np.ascontiguousarray(features.X[searched]),
            y[searched],
            images[searched].astype(np.int64),
        )
        self.X_scored, self.y_scored = features.X[scoring], y[scoring]
        self.options, self.run = options, RunSettings(seed=seed, jobs=options.jobs)
        self.n_features = features.X.shape[1]

    @cached_property
    def f(self) -> NDArray[np.float64]:
        return anova_f(self.training.X, self.training.y)

    def judge(self, deposit: Any, trees: int) -> ForestFitness:
        return make_fitness(
            self.training,
            None,
            FitnessSettings(fitness_rows=0),
            ForestSettings(trees=trees),
            deposit=deposit,
            seed=self.run.seed,
        )

    def ants(self, deposit: Any = "credit", trees: int | None = None, **chosen: Any) -> Subset:
        """Return what a colony of these settings answers."""
        colony = ColonySettings(**chosen)
        desirability = measure_desirability(
            self.f, self.training, colony, ForestSettings(), self.run, deposit=deposit
        )
        fitness = self.judge(deposit, trees or self.options.trees)
        return search(
            desirability, fitness, colony, self.run, deposit=deposit, reporter=SILENT
        ).subset

    def forest_scores(self, measure: Any) -> NDArray[np.float64]:
        parts = {"random_state": self.run.seed, "n_jobs": self.run.jobs}
        return forest_scores(self.training.X, self.training.y, measure, **parts)

    def eliminate(self, sizes: list[int]) -> dict[int, Subset]:
        """Drop a tenth of the features at a time, by the credit that ants deposit."""
        return credit_elimination(self.judge("credit", self.options.trees), self.n_features, sizes)

    def mutual_information(self) -> NDArray[np.float64]:
        """Return each feature's with the class, from a table of 16 bins of equal counts."""
        y, n = self.training.y, len(self.training.y)
        at = np.linspace(0, 1, N_BINS + 1)[1:-1]
        found = np.empty(self.n_features)
        classes = np.bincount(y) / n
        for j, column in enumerate(self.training.X.T):
            bins = np.searchsorted(np.quantile(column, at), column, side="right")
            share = np.bincount(bins * len(classes) + y, minlength=N_BINS * len(classes)) / n
            share = share.reshape(N_BINS, len(classes))
            expected = share.sum(axis=1, keepdims=True) * classes
            some = share > 0
            found[j] = (share[some] * np.log(share[some] / expected[some])).sum()
        return found

    def random(self, k: int) -> Subset:
        rng = np.random.default_rng(self.run.seed)
        return np.sort(rng.choice(self.n_features, k, replace=False))

    def best_random(self, k: int, n_subsets: int) -> Subset:
        rng = np.random.default_rng(self.run.seed)
        subsets = [np.sort(rng.choice(self.n_features, k, replace=False)) for _ in range(n_subsets)]
        with ThreadPoolExecutor(self.run.jobs) as pool:
            scores = list(pool.map(self.judge("best", self.options.trees), subsets))
        return subsets[int(np.argmax(scores))]

    def right(self, subset: Subset) -> NDArray[np.float64]:
        """Return for each scored row the share of the final forests that get it right."""
        training = self.training
        shares = []
        for seed in range(self.options.scorers):
            classifier = fit_classifier(
                *(training.X, training.y, subset), random_state=seed, n_jobs=self.run.jobs
            )
            shares.append(classifier.predict(self.X_scored) == self.y_scored)
        return np.mean(shares, axis=0)


class Record:
    """What was chosen, on disk after every choice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[dict[str, Any]] = []
        if path.exists():
            self.runs = json.loads(path.read_text())["runs"]

    def find(self, **key: Any) -> dict[str, Any] | None:
        return next((run for run in self.runs if key.items() <= run.items()), None)

    def add(self, **run: Any) -> None:
        self.runs.append(run)
        lines = ",\n".join(json.dumps(one) for one in self.runs)
        text = f'{{"machine": {json.dumps(machine())},\n"runs": [\n{lines}\n]}}\n'
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".partial")
        scratch.write_text(text)
        scratch.replace(self.path)


def measure(
    record: Record, draw: Draw, part: str, k: int, methods: dict[str, Callable[[], Subset]]
) -> None:
    """Make and score the choices that are not recorded yet; the first method's come first."""
    of_ants: NDArray[np.float64] | None = None
    for name, choose in methods.items():
        key = {"part": part, "seed": draw.run.seed, "k": k, "method": name}
        if record.find(**key):
            continue
        began = time.perf_counter()
        subset = choose()
        seconds = time.perf_counter() - began
        right = draw.right(subset)
        if of_ants is None:
            first = next(iter(methods))
            known = record.find(**key | {"method": first})
            of_ants = draw.right(np.array(known["subset"])) if known else right
        gain = of_ants - right
        record.add(
            **key,
            accuracy=float(right.mean()),
            seconds=seconds,
            n_scored=len(right),
            row_error=float(gain.std() / np.sqrt(len(gain))),
            subset=subset.tolist() if len(subset) < draw.n_features else "all",
        )
        print(f"{part}, seed {draw.run.seed}, k = {k}: {right.mean():.4f} {name}", flush=True)


def stages(n_features: int, k: int) -> int:
    """Return the iterations in which sizes are halved down to `k`."""
    return (n_features // (k + 1)).bit_length()


def compare_methods(draw: Draw, sizes: list[int], record: Record) -> None:
    """Hold the methods against each other at each size."""

    @cache
    def eliminated() -> dict[int, Subset]:
        return draw.eliminate(sizes)

    @cache
    def importances() -> NDArray[np.float64]:
        return draw.forest_scores("importances")

    information = cache(draw.mutual_information)
    for k in sizes:
        size = {"min_features": k, "max_features": k}
        n_iterations = stages(draw.n_features, k) + ITERATIONS_AFTER_ANNEALING
        methods: dict[str, Callable[[], Subset]] = {
            ANTS: partial(draw.ants, **size, **ANNEALED, iterations=n_iterations),
            "ants, the paper's numbers": partial(draw.ants, **size),
            "ants, best subset deposited, F": partial(draw.ants, "best", **size),
            "credit elimination": lambda k=k: eliminated()[k],
            "importances": lambda k=k: k_best(importances(), k),
            "mutual information": lambda k=k: k_best(information(), k),
            "k best F": partial(k_best, draw.f, k),
            "best of 60 random": partial(draw.best_random, k, 60),
        }
        measure(record, draw, "equal", k, methods)
    n = draw.n_features
    measure(record, draw, "equal", n, {"all": lambda: np.arange(n)})


def compare_hints(draw: Draw, sizes: list[int], record: Record) -> None:
    """Hold first trails against each other, with the paper's numbers."""
    for k in sizes:
        size = {"min_features": k, "max_features": k}
        methods = {hint: partial(draw.ants, **size, desirability=hint) for hint in HINTS}
        measure(record, draw, "hints", k, methods)


def in_the_papers_setting(draw: Draw, record: Record) -> None:
    """Let the ants learn k, then hold other choices of that k against theirs."""
    paper = PRESETS["paper"]
    names = ("ants", "iterations", "alpha", "beta", "q0", "rho", "max_features")
    colony = {name: paper[name] for name in names}
    draw.options.trees = paper["trees"]
    ants: dict[str, Callable[[], Subset]] = {ANTS: lambda: draw.ants(**colony)}
    measure(record, draw, "paper", 0, ants)
    found = record.find(part="paper", seed=draw.run.seed, method=ANTS)
    assert found is not None
    k = len(found["subset"])
    measure(
        record,
        draw,
        "paper",
        0,
        ants
        | {
            "importances": lambda: k_best(draw.forest_scores("importances"), k),
            "k best F": lambda: k_best(draw.f, k),
            "random": lambda: draw.random(k),
            "all": lambda: np.arange(draw.n_features),
        },
    )


def main() -> None:
    options = parse()
    record = Record(options.out)
    if options.summarise:
        show(record.runs)
        return
    if options.cache is not None:
        os.environ["FER_FAST_CACHE"] = str(options.cache)
    features = extract(Settings(data=options.data, weights=options.weights, size=48))
    dataset = features.dataset
    training = dataset.rows(Split.TRAINING)
    for seed in options.seeds:
        if options.paper:
            rest = np.setdiff1d(np.arange(len(dataset)), training)
            in_the_papers_setting(Draw(features, training, rest, options, seed), record)
            continue
        chosen, _ = stratified_parts(dataset.labels[training], options.rows, random_state=seed)
        drawn = np.sort(training[chosen])
        draw = Draw(features, drawn, np.setdiff1d(training, drawn), options, seed)
        if options.hints:
            compare_hints(draw, options.sizes, record)
        else:
            compare_methods(draw, options.sizes, record)
    show(record.runs)


if __name__ == "__main__":
    main()
