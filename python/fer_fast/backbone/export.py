"""Exporting the backbone to ONNX, once per choice of weights and configuration."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from fer_fast.backbone.cached import is_intact, seal
from fer_fast.backbone.config import OPSET, BackboneConfig
from fer_fast.backbone.weights import Weights
from fer_fast.errors import FerFastError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage import cache_dir, written_whole

_REVISION = 2
"""Counts changes of `keras_to_onnx` that change the graph."""


def cached_model(weights: Weights, config: BackboneConfig, *, reporter: Reporter = SILENT) -> Path:
    """Return the exported model's path in the cache, exporting it first if need be.

    The cache's key is the weights' digest, the configuration, the operator set and the exporter's
    version.

    Raises
    ------
    FerFastError
        If TensorFlow is not installed.
    OutputError
        If the model cannot be written.
    """
    require_exporter()
    key = {
        "weights": weights.digest,
        "config": asdict(config),
        "opset": OPSET,
        "exporter": [_REVISION, version("tf2onnx")],
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    path = cache_dir("models") / f"mobilenet-v2-{config.size}-{name}.onnx"
    if is_intact(path, reporter):
        reporter.note(f"backbone: exported before, from the cache ({path.name})")
        return path
    export_model(weights, config, path, reporter=reporter)
    seal(path)
    return path


def export_model(
    weights: Weights, config: BackboneConfig, out: Path, *, reporter: Reporter = SILENT
) -> None:
    """Write the backbone as one ONNX file.

    Its input ``pixels`` is uint8 (n, 48, 48), raw gray levels; scaling to [-1, 1], resizing and
    repeating the channel happen inside. Its output ``features`` is float32 (n, n_features).

    Raises
    ------
    FerFastError
        If TensorFlow is not installed.
    OutputError
        If `out` cannot be written.
    """
    require_exporter()
    reporter.note(f"backbone: exporting MobileNetV2 at {config.size} px to ONNX")
    order = {"weights": str(weights.path.absolute()), "config": asdict(config)}
    with written_whole(out) as temporary, tempfile.TemporaryDirectory(prefix="fer-fast-") as folder:
        request, model = Path(folder, "request.json"), Path(folder, "model.onnx")
        request.write_text(json.dumps(order))
        exporter = subprocess.run(
            [sys.executable, "-m", "fer_fast.backbone.keras_to_onnx", str(request), str(model)],
            capture_output=True,
            text=True,
            check=False,
        )
        if exporter.returncode != 0:
            raise RuntimeError(f"the export to ONNX failed:\n{exporter.stderr}")
        shutil.copyfile(model, temporary)


def require_exporter() -> None:
    """Raise `FerFastError` if a package is missing that only exporting and training need."""
    for module in ("tensorflow", "keras", "tf2onnx"):
        if importlib.util.find_spec(module) is None:
            raise FerFastError(
                f"exporting the backbone needs the package {module}, which is not installed: "
                f"run `{sys.executable} -m pip install {module}`"
            )
