"""Produce the results table: configurations by accuracy, features and seconds.

Each configuration is run with several seeds: fitted on Training, decided on PublicTest, reported on
PrivateTest. Figures are means over the seeds; "ants minus it" is PrivateTest's accuracy within a
seed, in points, with a 95 % interval over the seeds (Student's t) that leaves the sampling of the
test faces out. "judge" is what the fitness' forest says of the ants' subset. Stages that two runs
share are computed once and cached, so seconds are those of the stages after the features.

Every run is appended to --out, and not made again:

    python bench/results_table.py --data fer2013.csv.gz --weights WEIGHTS.h5 --out table.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from common import interval, print_table, write_results

from fer_fast.experiment import run_pipeline
from fer_fast.runs.result import RunResult
from fer_fast.settings import PRESETS, Settings

PAPER, BEST = PRESETS["paper"], PRESETS["best"]

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "paper": PAPER,
    "paper, no SMOTE": PAPER | {"balance": "none"},
    "paper, dense head": PAPER | {"head": "dense"},
    "best": BEST,
    "best, a quarter of the features": BEST | {"max_features": 32},
    "best, SMOTE": BEST | {"balance": "smote"},
}

QUICK = {"ants": 4, "iterations": 1, "trees": 10, "fitness_rows": 300, "head_epochs": 1}

_STAGES_AFTER_FEATURES = ("balance", "selection", "classifier")


def rows_of(name: str, seed: int, result: RunResult) -> list[dict[str, Any]]:
    """Return a row for the colony's features and one for each baseline."""
    n_features, k = result.classifier.n_features, len(result.classifier.subset)
    seconds = sum(result.timings[stage] for stage in _STAGES_AFTER_FEATURES)
    chosen = {
        "ants": (k, result.scores),
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
            "judge": result.search.score if method == "ants" else None,
            "seconds": seconds if method == "ants" else None,
        }
        for method, (features, scores) in chosen.items()
    ]


def mean_rows(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return a line of the table for each configuration and method, means over the seeds."""
    lines = []
    for name, method in dict.fromkeys((row["configuration"], row["chosen by"]) for row in rows):
        of = [row for row in rows if row["configuration"] == name]
        own = [row for row in of if row["chosen by"] == method]
        ants = [row for row in of if row["chosen by"] == "ants"]
        mean, half = interval(
            [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(ants, own, strict=True)]
        )
        measures = ("accuracy", "accuracy_deduplicated", "f1_macro", "f1_macro_deduplicated")
        lines.append(
            [
                name,
                method,
                "/".join(str(row["features"]) for row in own),
                *(f"{np.mean([row[measure] for row in own]):.4f}" for measure in measures),
                "" if method == "ants" else f"{mean:+.2f} ± {half:.2f}",
                f"{np.mean([row['seconds'] for row in own]):.0f}" if method == "ants" else "",
            ]
        )
    return lines


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
    rows: list[dict[str, Any]] = []
    if options.out is not None and options.out.exists():
        rows = json.loads(options.out.read_text())["rows"]
    known = {(row["configuration"], row["seed"]) for row in rows}
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
            rows += own
            print(json.dumps(own), flush=True)
            write_results(options, {"quick": options.quick, "forest": options.forest, "rows": rows})
    header = ["configuration", "chosen by", "k", "accuracy", "deduplicated", "macro-F1"]
    header += ["deduplicated", "ants minus it", "s"]
    print_table("PrivateTest", header, mean_rows(rows))


if __name__ == "__main__":
    main()
