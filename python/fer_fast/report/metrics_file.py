"""`metrics.json`: the whole run for programs."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_fast.datasets import SPLIT_NAMES
from fer_fast.installed import PACKAGES, RUNTIMES, installed_versions
from fer_fast.storage import written_whole

if TYPE_CHECKING:
    from fer_fast.pipeline import PipelineResult


def metrics_document(result: PipelineResult) -> dict[str, Any]:
    """Return the run as JSON types; `README.md` describes the keys."""
    dataset = result.dataset
    subset = result.classifier.subset
    return {
        **asdict(result.evaluation),
        "baselines": {name: asdict(evaluation) for name, evaluation in result.baselines.items()},
        "features": {
            "total": result.classifier.n_features,
            "selected": len(subset),
            "indices": subset.tolist(),
        },
        "colony": {
            "history": list(result.search.history),
            "best_score": result.search.score,
            "stopped_by": result.search.stopped_by,
        },
        "timings_s": result.timings,
        "data": {
            "source": dataset.source,
            "hash": dataset.digest,
            "synthetic": dataset.synthetic,
            "counts": {name: dataset.class_counts(split) for split, name in SPLIT_NAMES.items()},
        },
        "device": result.device,
        "model_hash": result.model_hash,
        "versions": {"python": platform.python_version()}
        | installed_versions((*PACKAGES, *RUNTIMES)),
        "parameters": result.settings.as_dict(),
    }


def save_metrics(path: Path, result: PipelineResult) -> None:
    """Write `metrics_document` as JSON.

    Raises
    ------
    OutputError
        If the file cannot be written; nothing half-written is left.
    """
    with written_whole(path) as temporary:
        text = json.dumps(metrics_document(result), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
