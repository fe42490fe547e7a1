"""Whether ants that deposit credit choose better features than a ranking, at equal size.

Per seed a stratified draw of Training rows is searched, out of bag; all other faces, but for exact
copies of drawn ones, score a forest of 90 trees that is grown on the drawn rows:

    python bench/credit.py --data fer2013.csv --weights ... --sizes 128 --seeds 1
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import interval, print_table, write_results
from numpy.typing import NDArray

from fer_fast import Colony, ForestFitness, Settings
from fer_fast.faces.dataset import Split
from fer_fast.faces.duplicates import duplicate_groups
from fer_fast.faces.splitting import stratified_parts
from fer_fast.features import FaceFeatures, extract
from fer_fast.selection.desirability import anova_f

Subset = NDArray[np.int64]

STUDY: dict[str, Any] = {"n_ants": 5, "alpha": 1.0, "beta": 0.0, "rho": 0.5, "sizes": "annealed"}
"""Few ants, many iterations, sizes halved down to the one wanted; no desirability."""

PAPER: dict[str, Any] = {"n_ants": 20, "alpha": 1.1, "beta": 1.5, "rho": 0.2}
"""The source paper's numbers, which leave open what is deposited."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a local copy of FER-2013")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's ImageNet weights without top")
    parser.add_argument("--rows", type=int, default=10_000, help="Training rows that are searched")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128], help="features to choose")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of rows and searches")
    parser.add_argument("--trees", type=int, default=30, help="of a forest that judges a subset")
    parser.add_argument("--jobs", type=int, default=2, help="threads")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    return parser.parse_args()


def top(scores: NDArray[np.float64], k: int) -> Subset:
    return np.sort(np.argsort(-np.nan_to_num(scores), kind="stable")[:k])


class Draw:
    """The rows of one seed: those that are searched, and those that are not."""

    def __init__(self, features: FaceFeatures, options: argparse.Namespace, seed: int) -> None:
        dataset = features.dataset
        training = np.flatnonzero(dataset.splits == Split.TRAINING)
        chosen, _ = stratified_parts(dataset.labels[training], options.rows, random_state=seed)
        chosen = np.sort(training[chosen])
        groups = duplicate_groups(dataset)
        untouched = ~np.isin(groups, groups[chosen])
        self.X, self.y = np.ascontiguousarray(features.X[chosen]), dataset.labels[chosen]
        self.others = features.X[untouched], dataset.labels[untouched]
        self.options, self.seed = options, seed

    def judge(self, credit: str | None) -> ForestFitness:
        return ForestFitness(
            self.X,
            self.y,
            scoring="brier",
            credit=credit,
            n_estimators=self.options.trees,
            random_state=self.seed,
        )

    def search(self, k: int, fitness: Any, n_iterations: int, **parameters: Any) -> Subset:
        eta = parameters.pop("desirability", np.ones(self.X.shape[1]))
        colony = Colony(eta, min_features=k, max_features=k, seed=self.seed, **parameters)
        colony.run(fitness, n_iterations=n_iterations, n_jobs=self.options.jobs)
        return colony.answer

    def subsets(self, k: int) -> dict[str, tuple[Subset, float]]:
        """Return what each method chooses, and how long it took."""
        F = np.nan_to_num(anova_f(self.X, self.y))
        everything = np.arange(self.X.shape[1])
        residual, gain = self.judge("residual"), self.judge("gain")
        # What every feature earns in one forest on all of them.
        earned = gain(everything)[1].clip(0)
        stages = (self.X.shape[1] // (k + 1)).bit_length()
        methods = {
            "k best F": lambda: top(F, k),
            "k best, out-of-bag gain of one forest": lambda: top(gain(everything)[1], k),
            "ants, best subset, F": lambda: self.search(
                k, self.judge(None), 3, desirability=F / F.max(), **PAPER
            ),
            "ants, gain, annealed, 12 iterations": lambda: self.search(
                k, gain, stages + 6, deposit="credit", **STUDY
            ),
            "ants, residual, annealed, 12 iterations": lambda: self.search(
                k, residual, stages + 6, deposit="credit", **STUDY
            ),
            "ants, residual, annealed, 36 iterations": lambda: self.search(
                k, residual, stages + 30, deposit="credit", **STUDY
            ),
            "ants, residual, the paper's numbers, from gain": lambda: self.search(
                k, residual, 3, deposit="credit", desirability=earned, tau0=earned, **PAPER
            ),
        }
        chosen = {}
        for name, choose in methods.items():
            began = time.perf_counter()
            subset = choose()
            chosen[name] = subset, time.perf_counter() - began
        return chosen

    def accuracy(self, subset: Subset) -> float:
        """Return the accuracy on untouched rows, the mean of four forests."""
        X, y = self.others
        columns = np.arange(len(subset))
        return float(
            np.mean(
                [
                    ForestFitness(
                        self.X[:, subset],
                        self.y,
                        X[:, subset],
                        y,
                        scoring="accuracy",
                        random_state=seed,
                        n_jobs=self.options.jobs,
                    )(columns)
                    for seed in range(4)
                ]
            )
        )


def show(k: int, runs: list[dict[str, Any]]) -> None:
    """Print the mean over seeds of each method, and what it is above the ranking."""
    methods = {run["method"]: [] for run in runs}
    for run in runs:
        methods[run["method"]].append(run)
    ranking = np.array([run["accuracy"] for run in methods["k best F"]])
    rows = []
    for method, found in methods.items():
        accuracy = np.array([run["accuracy"] for run in found])
        gain, half = interval(list(100 * (accuracy - ranking)))
        seconds = np.mean([run["seconds"] for run in found])
        figures = f"{100 * accuracy.mean():.2f}", f"{gain:+.2f} ± {half:.2f}", f"{seconds:.0f}"
        rows.append((method, *figures))
    title = f"{k} features: accuracy on faces that no search saw, % and points"
    print_table(title, ("method", "accuracy", "over k best F", "s"), rows)


def main() -> None:
    options = parse()
    features = extract(Settings(data=options.data, weights=options.weights, size=48))
    runs: list[dict[str, Any]] = []
    for seed in options.seeds:
        draw = Draw(features, options, seed)
        for k in options.sizes:
            for method, (subset, seconds) in draw.subsets(k).items():
                accuracy = draw.accuracy(subset)
                runs.append(
                    {
                        "seed": seed,
                        "k": k,
                        "method": method,
                        "accuracy": accuracy,
                        "seconds": seconds,
                        "n_scored": len(draw.others[1]),
                        "subset": subset.tolist(),
                    }
                )
                print(f"seed {seed}, k = {k}: {accuracy:.4f} {method}", flush=True)
    for k in options.sizes:
        show(k, [run for run in runs if run["k"] == k])
    write_results(options, {"runs": runs})


if __name__ == "__main__":
    main()
