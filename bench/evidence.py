"""Compare the ants' choice with chance and with cheaper ways to choose.

Every method chooses on Training and PublicTest alone; a forest on its choice is fitted on Training,
not balanced, and scored on PrivateTest. For each seed, of the colony and of all forests:

- ants: the colony with its fitness, whose subset size k the others take over
- best random: the best of as many random subsets of size k as the colony evaluated
- random: one random subset of size k
- k best F: the k features with the highest ANOVA F
- importances: the k features that a forest on all of them finds most important
- RFE: recursive elimination of the least important quarter down to k
- all: every feature

"judge" is what the fitness says of the chosen subset. The methods of a seed share that seed, the
rows and the test faces, so a second table holds what the ants gain over each method within a seed.
A third follows one search from 60 to 2,000 subsets. Every interval is over the seeds of search and
forests alone: it says nothing of other faces, other Training rows or another head.

    python bench/evidence.py --data fer2013.csv.gz --weights WEIGHTS.h5 --preset best
    python bench/evidence.py --data … --weights … --config bench/evidence-48px.toml --no-rfe
    python bench/evidence.py --summarise bench/results/evidence-best-32.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import interval
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import ttest_1samp
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE
from sklearn.model_selection import train_test_split

from fer_fast import Colony, ForestFitness
from fer_fast.classifier.scores import HeldOutScores, score_held_out
from fer_fast.faces.dataset import Rows, Split
from fer_fast.faces.duplicates import shared_across_splits
from fer_fast.features import extract
from fer_fast.forest.subset import fit_classifier
from fer_fast.selection.desirability import anova_f, scaled_scores
from fer_fast.selection.search import make_colony, make_fitness
from fer_fast.settings import (
    PRESETS,
    ColonySettings,
    FitnessSettings,
    ForestSettings,
    Settings,
    read_config,
)

Subset = NDArray[np.int64]
Runs = list[dict[str, dict[str, Any]]]

TEST_MEASURES = ("accuracy", "accuracy_deduplicated", "f1_macro")


class Experiment:
    """The features, and what every method shares."""

    def __init__(self, settings: Settings, rows: int) -> None:
        features = extract(settings)
        self.settings, dataset = settings, features.dataset
        y = dataset.labels.astype(np.int64)
        training, validation, test = (dataset.rows(split) for split in Split)
        if rows and rows < len(training):
            training, _ = train_test_split(
                training, train_size=rows, stratify=y[training], random_state=0
            )
        X = features.X
        self.X, self.y = X[training], y[training]
        self.X_validation, self.y_validation = X[validation], y[validation]
        self.X_test, self.y_test = X[test], y[test]
        self.class_names = dataset.class_names
        self.shared = shared_across_splits(dataset)[test]
        self.F = anova_f(self.X, self.y)
        self.n_features = X.shape[1]

    def fitness(self, seed: int) -> ForestFitness:
        """Return the colony's fitness."""
        return make_fitness(
            Rows(self.X, self.y),
            Rows(self.X_validation, self.y_validation),
            self.settings.section(FitnessSettings),
            self.settings.section(ForestSettings),
            seed=seed,
        )

    def colony(self, seed: int) -> Colony:
        """Return a colony that has not yet searched."""
        return make_colony(scaled_scores(self.F), self.settings.section(ColonySettings), seed=seed)

    def test(self, subset: Subset, seed: int) -> HeldOutScores:
        """Return the scores on PrivateTest of a forest fitted on Training."""
        classifier = fit_classifier(
            *(self.X, self.y, subset),
            n_estimators=self.settings.trees,
            random_state=seed,
            n_jobs=self.settings.jobs,
        )
        return score_held_out(
            self.y_test, classifier.predict(self.X_test), self.shared, self.class_names
        )

    def forest(self, seed: int) -> RandomForestClassifier:
        """Return the forest that ranks features."""
        return RandomForestClassifier(
            self.settings.trees, random_state=seed, n_jobs=self.settings.jobs
        )


def top(scores: NDArray[np.floating[Any]], k: int) -> Subset:
    return np.sort(np.argsort(-np.nan_to_num(scores), kind="stable")[:k])


def run_seed(experiment: Experiment, seed: int, rfe: bool) -> dict[str, dict[str, Any]]:
    """Return each method's subset, seconds to choose it, and scores."""
    n, settings = experiment.n_features, experiment.settings
    rng = np.random.default_rng(seed)
    fitness, colony = experiment.fitness(seed), experiment.colony(seed)

    def ants() -> Subset:
        colony.run(fitness, n_iterations=settings.iterations, n_jobs=settings.jobs)
        assert colony.best_subset is not None
        return colony.best_subset

    def random() -> Subset:
        return np.sort(rng.choice(n, k, replace=False))

    def best_random() -> Subset:
        subsets = [random() for _ in range(colony.evaluations)]
        with ThreadPoolExecutor(settings.jobs) as pool:
            scores = list(pool.map(fitness, subsets))
        return subsets[int(np.argmax(scores))]

    def importances() -> Subset:
        fitted = experiment.forest(seed).fit(experiment.X, experiment.y)
        return top(fitted.feature_importances_, k)

    def elimination() -> Subset:
        forest = experiment.forest(seed)
        fitted = RFE(forest, n_features_to_select=k, step=0.25).fit(experiment.X, experiment.y)
        return np.flatnonzero(fitted.support_)

    methods: dict[str, Callable[[], Subset]] = {
        "ants": ants,
        "best random": best_random,
        "random": random,
        "k best F": lambda: top(experiment.F, k),
        "importances": importances,
        **({"RFE": elimination} if rfe else {}),
        "all": lambda: np.arange(n),
    }
    found, k = {}, 0
    for name, method in methods.items():
        start = time.perf_counter()
        subset = method()
        seconds = time.perf_counter() - start
        if name == "ants":
            k = len(subset)
        scores = experiment.test(subset, seed)
        found[name] = {
            "subset": subset.tolist(),
            "seconds": seconds,
            "validation": fitness(subset),
            "accuracy": scores.test.accuracy,
            "accuracy_deduplicated": scores.test_deduplicated.accuracy,
            "f1_macro": scores.test.f1_macro,
        }
    return found


def stability(subsets: list[list[int]], n: int) -> tuple[float, float]:
    """Return the mean over pairs of Jaccard's index and of Kuncheva's.

    Kuncheva's is the overlap beyond chance over the most it can be beyond chance (A stability index
    for feature selection, 2007); where two sizes differ, that most is the smaller of them.
    """
    jaccard, kuncheva = [], []
    for a, b in itertools.combinations(map(set, subsets), 2):
        overlap, chance, most = len(a & b), len(a) * len(b) / n, min(len(a), len(b))
        jaccard.append(overlap / len(a | b))
        kuncheva.append((overlap - chance) / (most - chance) if most > chance else float("nan"))
    return (float(np.mean(jaccard)), float(np.mean(kuncheva))) if jaccard else (np.nan, np.nan)


def methods_table(runs: Runs, n: int) -> tuple[Table, dict[str, Any]]:
    title = f"{len(runs)} seeds, {n:,} features: mean ± 95 % interval"
    columns = ("method", "k", "judge", "PrivateTest", "deduplicated", "macro-F1")
    table = Table(*columns, "Jaccard", "Kuncheva", "s", title=title)
    figures: dict[str, Any] = {}
    for name in runs[0]:
        of_method = [run[name] for run in runs]
        measures = {
            key: interval([one[key] for one in of_method])
            for key in ("validation", "accuracy", "accuracy_deduplicated", "f1_macro", "seconds")
        }
        measures["k"] = interval([float(len(one["subset"])) for one in of_method])
        jaccard, kuncheva = stability([one["subset"] for one in of_method], n)
        figures[name] = measures | {"jaccard": jaccard, "kuncheva": kuncheva}
        shown = ("validation", "accuracy", "accuracy_deduplicated", "f1_macro")
        table.add_row(
            name,
            f"{measures['k'][0]:,.0f}",
            *("{:.4f} ± {:.4f}".format(*measures[key]) for key in shown),
            *(f"{jaccard:.2f}", f"{kuncheva:.2f}", f"{measures['seconds'][0]:.1f}"),
        )
    return table, figures


def paired(runs: Runs) -> dict[str, Any]:
    """Return the ants' scores minus each other method's of the same seed, and how many those are.

    A difference is its mean over the seeds, the half width of its 95 % interval, and the p-value of
    the t-test that it is 0, corrected for nothing.
    """
    differences: dict[str, dict[str, dict[str, float]]] = {}
    for name in (name for name in runs[0] if name != "ants"):
        differences[name] = {}
        for measure in TEST_MEASURES:
            gains = [run["ants"][measure] - run[name][measure] for run in runs]
            mean, half_width = interval(gains)
            p = float(ttest_1samp(gains, 0).pvalue)
            differences[name][measure] = {"mean": mean, "half_width": half_width, "p": p}
    return {
        "covers": "the seeds of search and forests; not other faces, Training rows or heads",
        "seeds": len(runs),
        "comparisons": len(differences) * len(TEST_MEASURES),
        "ants_minus": differences,
    }


def paired_table(summary: dict[str, Any]) -> Table:
    table = Table(
        *("ants minus", "PrivateTest", "p", "deduplicated", "p", "macro-F1", "p"),
        title=f"Points within a seed, {summary['seeds']} seeds: mean ± 95 % interval",
        caption=f"{summary['comparisons']} comparisons, not corrected for their number; "
        f"the intervals cover {summary['covers']}.",
    )
    for name, measures in summary["ants_minus"].items():
        cells = []
        for gain in (measures[measure] for measure in TEST_MEASURES):
            cells.append(f"{100 * gain['mean']:+.2f} ± {100 * gain['half_width']:.2f}")
            cells.append(f"{gain['p']:.4f}")
        table.add_row(name, *cells)
    return table


def search_table(
    experiment: Experiment, checkpoints: list[int]
) -> tuple[Table, list[dict[str, float]]]:
    """Follow one search: its best subset after so many subsets proposed."""
    columns = ("subsets", "evaluated", "k", "judge", "PrivateTest", "deduplicated", "s")
    table = Table(*columns, title="One search, seed 0")
    fitness, colony = experiment.fitness(0), experiment.colony(0)
    seconds, rows = 0.0, []
    for checkpoint in checkpoints:
        start = time.perf_counter()
        missing = checkpoint // colony.n_ants - colony.iteration
        colony.run(fitness, n_iterations=missing, n_jobs=experiment.settings.jobs)
        seconds += time.perf_counter() - start
        subset = colony.best_subset
        assert subset is not None
        scores = experiment.test(subset, 0)
        rows.append(
            {
                "subsets": checkpoint,
                "evaluated": colony.evaluations,
                "k": len(subset),
                "validation": colony.best_score,
                "accuracy": scores.test.accuracy,
                "accuracy_deduplicated": scores.test_deduplicated.accuracy,
                "seconds": seconds,
            }
        )
        cells = [
            f"{value:.4f}" if 0 < value < 1 else f"{value:,.0f}" for value in rows[-1].values()
        ]
        table.add_row(*cells)
    return table, rows


def summarise(path: Path) -> None:
    """Compute the paired differences of a stored file anew from its runs."""
    document = json.loads(path.read_text())
    document["paired"] = paired(document["runs"])
    Console(width=140).print(paired_table(document["paired"]))
    write(path, document)


def write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="best")
    parser.add_argument("--config", type=Path, help="settings, as a run writes them")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=0, help="Training rows, 0 for all")
    parser.add_argument("--max-features", type=int, help="the largest subset")
    parser.add_argument("--no-rfe", action="store_true", help="leave out the costliest method")
    parser.add_argument("--no-search", action="store_true", help="leave out the third table")
    parser.add_argument("--quick", action="store_true", help="2 seeds, 3,000 rows, 120 subsets")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument(
        "--summarise",
        type=Path,
        help="only compute the paired differences of a stored file anew",
    )
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.rows, options.no_rfe = 2, 3000, True
    return options


def main() -> None:
    """Measure, print the tables, and write the figures."""
    options = parse()
    if options.summarise:
        summarise(options.summarise)
        return
    chosen = read_config(options.config) if options.config else PRESETS[options.preset]
    settings = Settings(**chosen, data=options.data, weights=options.weights)
    if options.max_features is not None:
        settings = replace(settings, max_features=options.max_features)
    if options.quick:
        settings = replace(settings, iterations=3)
    experiment = Experiment(settings, options.rows)
    console = Console(width=140)
    runs = []
    for seed in range(options.seeds):
        runs.append(run_seed(experiment, seed, not options.no_rfe))
        line = {name: round(one["accuracy"], 4) for name, one in runs[-1].items()}
        print(f"seed {seed}: {json.dumps(line)}", flush=True)
    methods, figures = methods_table(runs, experiment.n_features)
    console.print(methods)
    differences = paired(runs)
    console.print(paired_table(differences))
    steps: list[dict[str, float]] = []
    if not options.no_search:
        checkpoints = [60, 120] if options.quick else [60, 200, 500, 1000, 2000]
        search, steps = search_table(experiment, checkpoints)
        console.print(search)
    if options.out:
        document = {
            "machine": f"{os.cpu_count()}-core {platform.machine()}",
            "settings": replace(settings, data=None, weights=None).as_dict(),
            "training_rows": len(experiment.y),
            "methods": figures,
            "search": steps,
            "runs": [
                {
                    name: {key: value for key, value in one.items() if key != "subset"}
                    for name, one in run.items()
                }
                for run in runs
            ],
            "paired": differences,
        }
        write(options.out, document)


if __name__ == "__main__":
    main()
