"""Two fits with checkpoints in a folder, and what they found as JSON on standard output.

``python checkpointed_fits.py FOLDER`` is what `test_checkpoint` kills; a second argument bounds the
files that it may write, in bytes, as a full disk would.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from fer_fast import AntColonySelector

CHECKPOINTS = ("around-forest.jsonl", "native.jsonl")


def result(selector: AntColonySelector) -> dict[str, Any]:
    """Return all that a fit found, as JSON types."""
    found = {name: value for name, value in vars(selector).items() if name.endswith("_")}
    found["history_"] = {name: column.tolist() for name, column in selector.history_.items()}
    return {
        name: value.tolist() if hasattr(value, "tolist") else value for name, value in found.items()
    }


def main(folder: Path) -> None:
    X, y = make_classification(120, 25, n_informative=6, n_redundant=4, random_state=0)
    forest = RandomForestClassifier(10, max_depth=4, random_state=0)
    around_forest, native = (folder / name for name in CHECKPOINTS)
    common = {"n_ants": 6, "n_iterations": 3, "random_state": 5}
    fits = [
        AntColonySelector(
            forest, cv=3, n_colonies=2, holdout=0.2, checkpoint=around_forest, n_jobs=2, **common
        ),
        AntColonySelector(checkpoint=native, **common),
    ]
    print(json.dumps([result(selector.fit(X, y)) for selector in fits]))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    warnings.filterwarnings("default", category=UserWarning)
    main(Path(sys.argv[1]))
