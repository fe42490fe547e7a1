"""Produce the results table: configurations by accuracy, features and seconds.

Each configuration is one run of the pipeline: fitted on Training, decided on PublicTest, reported
once on PrivateTest. "judge" is what the fitness' forest says of the ants' subset. Stages that two
configurations share are computed once and cached, so seconds are those of the stages after the
features.

    python bench/results_table.py --data fer2013.csv.gz --weights WEIGHTS.h5
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

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


def rows_of(name: str, result: RunResult) -> list[dict[str, Any]]:
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


def main() -> None:
    """Run every configuration, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="default: synthetic faces")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", choices=CONFIGURATIONS, nargs="+", default=CONFIGURATIONS)
    parser.add_argument("--quick", action="store_true", help="small colonies and forests")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    timings: dict[str, dict[str, float]] = {}
    for name in options.only:
        chosen = CONFIGURATIONS[name] | (QUICK if options.quick else {})
        settings = Settings(
            **chosen, data=options.data, weights=options.weights, device=options.device
        )
        result = run_pipeline(settings)
        own = rows_of(name, result)
        rows += own
        timings[name] = result.timings
        print(json.dumps(own), flush=True)

    table = Table(*(key.replace("_", " ") for key in rows[0]), title="PrivateTest")
    for row in rows:
        table.add_row(
            *(
                "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
                for value in row.values()
            )
        )
    Console(width=140).print(table)
    if options.out:
        document = {
            "machine": f"{os.cpu_count()}-core {platform.machine()}",
            "quick": options.quick,
            "rows": rows,
            "timings": timings,
        }
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
