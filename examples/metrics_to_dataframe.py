"""Read the `metrics.json` of runs into one pandas table, a row for each way to choose features.

``python examples/metrics_to_dataframe.py runs/paper runs/best``
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return a row for the ants and one for each baseline of a run."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    chosen = {"ants": metrics} | metrics["baselines"]
    return [
        {
            "run": folder.name,
            "chosen by": name,
            "features": metrics["features"]["total" if name == "all_features" else "selected"],
            "accuracy": scores["test"]["accuracy"],
            "without duplicates": scores["test_deduplicated"]["accuracy"],
            "macro-F1": scores["test"]["f1_macro"],
        }
        for name, scores in chosen.items()
    ]


folders = [Path(name) for name in sys.argv[1:]]
if not folders:
    sys.exit(str(__doc__))
table = pd.DataFrame([row for folder in folders for row in rows(folder)])
print(table.to_string(index=False, float_format="{:.3f}".format))
