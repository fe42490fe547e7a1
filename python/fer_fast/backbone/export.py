"""Exporting the backbone to ONNX, once per choice of weights and configuration."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from fer_fast.backbone.config import OPSET, BackboneConfig
from fer_fast.backbone.weights import Weights
from fer_fast.keras_process import installed_maker, require_keras, run_keras
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import Cache, Entry, scratch_dir
from fer_fast.storage.files import atomic_write

_REVISION = 2
"""Counts changes of `keras_to_onnx` that change the graph."""


def cached_model(weights: Weights, config: BackboneConfig, *, reporter: Reporter = SILENT) -> Path:
    """Return the exported model's path in the cache, exporting it first if need be.

    The cache's key is the weights' digest, the configuration, the operator set and the exporter's
    version; where no exporter is installed, the model of any version is taken.

    Raises
    ------
    FerFastError
        If the cache holds no such model and TensorFlow is not installed.
    OutputError
        If the model cannot be written.
    """
    entry = Entry(
        "models",
        f"mobilenet-v2-{config.size}",
        {
            "weights": weights.digest,
            "config": asdict(config),
            "opset": OPSET,
            "revision": _REVISION,
        },
        ".onnx",
        installed_maker("tf2onnx"),
    )
    return Cache(reporter).get_or_make(
        entry,
        lambda file: _export(weights, config, file, reporter),
        hit="backbone: exported before",
    )


def export_model(
    weights: Weights, config: BackboneConfig, out: Path, *, reporter: Reporter = SILENT
) -> None:
    """Write the backbone as one ONNX file.

    Its input ``pixels`` is uint8 (n, 48, 48), raw gray levels; equalising their histogram, scaling
    to [-1, 1], resizing and repeating the channel happen inside. Its output ``features`` is float32
    (n, n_features).

    Raises
    ------
    FerFastError
        If TensorFlow is not installed, is broken, or runs out of memory.
    OutputError
        If `out` cannot be written.
    """
    with atomic_write(out) as temporary, temporary.open("wb") as file:
        _export(weights, config, file, reporter)


def _export(weights: Weights, config: BackboneConfig, file: BinaryIO, reporter: Reporter) -> None:
    require_keras()
    reporter.note(f"backbone: exporting MobileNetV2 at {config.size} px to ONNX")
    order = {"weights": str(weights.path.absolute()), "config": asdict(config)}
    with scratch_dir() as folder:
        request, model = folder / "request.json", folder / "model.onnx"
        request.write_text(json.dumps(order))
        run_keras(
            "exporting the backbone",
            "fer_fast.backbone.keras_to_onnx",
            [str(request), str(model)],
            folder=folder,
            # Constants are folded on the way; their rounding must not depend on how threads share
            # the work.
            jobs=1,
        )
        with model.open("rb") as exported:
            shutil.copyfileobj(exported, file)
