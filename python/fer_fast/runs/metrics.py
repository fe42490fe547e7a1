"""The document of `metrics.json`: the whole run for programs."""

from __future__ import annotations

import json
import platform
from typing import Any

from fer_fast.environment import PACKAGES, RUNTIMES, TRAIN_PACKAGES, installed_versions
from fer_fast.faces.dataset import SPLIT_NAMES
from fer_fast.runs.result import RunResult

VERSION = 1
"""Of the document: counts changes that a reader of an earlier one would trip over."""


def metrics_document(result: RunResult) -> dict[str, Any]:
    """Return the run as JSON types; `docs/runs.md` describes the keys."""
    dataset = result.dataset
    subset = result.classifier.subset
    return {
        "version": VERSION,
        **result.scores.as_dict(),
        "baselines": {name: scores.as_dict() for name, scores in result.baselines.items()},
        "calibration": result.calibration.as_dict(),
        "features": {
            "total": result.classifier.n_features,
            "channels": result.channels,
            "selected": len(subset),
            "indices": subset.tolist(),
        },
        "colony": {
            "history": list(result.search.history),
            "best_score": result.search.score,
            "stopped_by": result.search.stopped_by,
            "judged_on": result.settings.judges,
            # Four digits are more than it means, and a fifth of the size.
            "pheromone": [float(f"{one:.4g}") for one in result.search.pheromone],
        },
        "timings_s": result.timings,
        "data": {
            "source": dataset.source,
            "hash": dataset.digest,
            "synthetic": dataset.synthetic,
            "labels": dataset.label_set.title,
            "classes": list(dataset.class_names),
            "counts": {name: dataset.class_counts(split) for split, name in SPLIT_NAMES.items()},
            "fitted_on": result.fitted_counts,
        },
        "warnings": list(result.warnings),
        "device": result.device,
        "model_hash": result.model_digest,
        "versions": {"python": platform.python_version()}
        | installed_versions((*PACKAGES, *TRAIN_PACKAGES, *RUNTIMES)),
        "parameters": result.settings.as_dict(),
    }


def metrics_text(result: RunResult, run_id: str | None) -> str:
    """Return the document as JSON text, with the run's name if it has one."""
    document = metrics_document(result)
    if run_id is not None:
        document = {"run_id": run_id} | document
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
