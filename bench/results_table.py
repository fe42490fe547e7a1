"""Produce the results table: configurations by accuracy, features and seconds.

Each configuration is run with several seeds: fitted on Training, decided there out of bag or on
PublicTest, reported on PrivateTest. Figures are means over the seeds, of all test faces and of
those whose exact image stands in no other split; "ants minus it" is the accuracy on all within a
seed, with a 95 % interval over the seeds (Student's t) that leaves the sampling of the test faces
out. Stages that two runs share are computed once and cached, so seconds are those of the stages
after the features.

Every run is appended to --out, and not made again:

    python bench/results_table.py --data fer2013.csv.gz --weights WEIGHTS.h5 --out table.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from common import interval, write_results

from fer_fast.experiment import run_pipeline
from fer_fast.head.config import HeadConfig
from fer_fast.runs.result import RunResult
from fer_fast.settings import PRESETS, Settings

ANTS = "ants"
PAPER, BEST = PRESETS["paper"], PRESETS["best"]

_HEAD_FEATURES = BEST["head_members"] * HeadConfig.units[-1]

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    "paper, no SMOTE": PAPER | {"balance": "none"},
    "best": BEST,
    "best, a quarter of the features": BEST | {"max_features": _HEAD_FEATURES // 4},
    "best, SMOTE": BEST | {"balance": "smote"},
}

QUICK = {"ants": 4, "iterations": 1, "trees": 10, "fitness_rows": 300, "head_epochs": 1}

_STAGES_AFTER_FEATURES = ("balance", "selection", "classifier")


def rows_of(name: str, seed: int, result: RunResult) -> list[dict[str, Any]]:
    """Return a row for the colony's features and one for each baseline."""
    n_features, k = result.classifier.n_features, len(result.classifier.subset)
    seconds = sum(result.timings[stage] for stage in _STAGES_AFTER_FEATURES)
    chosen = {
        ANTS: (k, result.scores),
        "k best F": (k, result.baselines["k_best"]),
        "k at random": (k, result.baselines["random"]),
        "all": (n_features, result.baselines["all_features"]),
    }
    return [
        {
            "configuration": name,
            "seed": seed,
            "chosen by": method,
            "features": features,
            "of": n_features,
            "accuracy": scores.test.accuracy,
            "f1_macro": scores.test.f1_macro,
            "accuracy_deduplicated": scores.test_deduplicated.accuracy,
            "f1_macro_deduplicated": scores.test_deduplicated.f1_macro,
            "judge": result.search.score if method == ANTS else None,
            "seconds": seconds if method == ANTS else None,
        }
        for method, (features, scores) in chosen.items()
    ]


def show(runs: list[dict[str, Any]]) -> None:
    """Print in Markdown the means over the seeds of each configuration and way to choose."""
    head = (
        "configuration",
        "features",
        "k of n",
        "accuracy",
        "macro-F1",
        "ants minus it, points",
        "s",
    )
    print(f"\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for name in dict.fromkeys(run["configuration"] for run in runs):
        own = [run for run in runs if run["configuration"] == name]
        ants = [run for run in own if run["chosen by"] == ANTS]
        for method in dict.fromkeys(run["chosen by"] for run in own):
            cells = line(ants, [run for run in own if run["chosen by"] == method])
            first = f"{name}, {len(ants)} seeds" if method == ANTS else ""
            print(f"| {' | '.join([first, method, *cells])} |")


def line(ants: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[str]:
    """Return what the table says of one way to choose, beside the ants of the same seeds."""

    def share(measure: str) -> str:
        return f"{np.mean([run[measure] for run in runs]):.3f}".removeprefix("0")

    sizes = ", ".join(dict.fromkeys(f"{run['features']:,}" for run in runs))
    gain, seconds = "", ""
    if runs == ants:
        sizes += f" of {runs[0]['of']:,}"
        seconds = f"{np.mean([run['seconds'] for run in runs]):.0f}"
    else:
        pairs = zip(ants, runs, strict=True)
        mean, half = interval([100 * (one["accuracy"] - other["accuracy"]) for one, other in pairs])
        gain = f"{mean:+.2f} ± {half:.2f}".replace("-", "−")
    return [
        sizes,
        *(f"{share(one)} \\| {share(f'{one}_deduplicated')}" for one in ("accuracy", "f1_macro")),
        gain,
        seconds,
    ]


def main() -> None:
    """Run every configuration, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="default: synthetic faces")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--forest", default="native", help="the final forest's engine")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--only", choices=CONFIGURATIONS, nargs="+", default=CONFIGURATIONS)
    parser.add_argument("--quick", action="store_true", help="small colonies and forests")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    runs: list[dict[str, Any]] = []
    if options.out is not None and options.out.exists():
        runs = json.loads(options.out.read_text())["runs"]
    known = {(run["configuration"], run["seed"]) for run in runs}
    for name in options.only:
        chosen = CONFIGURATIONS[name] | (QUICK if options.quick else {})
        for seed in options.seeds:
            if (name, seed) in known:
                continue
            settings = Settings(
                **chosen,
                data=options.data,
                weights=options.weights,
                device=options.device,
                forest=options.forest,
                seed=seed,
            )
            result = run_pipeline(settings)
            own = rows_of(name, seed, result)
            runs += own
            print(json.dumps(own), flush=True)
            write_results(options, {"quick": options.quick, "forest": options.forest, "runs": runs})
    show(runs)


if __name__ == "__main__":
    main()
