"""Exporting the backbone to ONNX, once per choice of weights and configuration."""

from __future__ import annotations

import importlib.util
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from fer_fast.backbone.cached import made_once
from fer_fast.backbone.config import OPSET, BackboneConfig
from fer_fast.backbone.weights import Weights
from fer_fast.errors import FerFastError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage import written_whole

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
    return made_once(
        f"mobilenet-v2-{config.size}",
        {
            "weights": weights.digest,
            "config": asdict(config),
            "opset": OPSET,
            "revision": _REVISION,
        },
        installed_maker("tf2onnx"),
        lambda path: export_model(weights, config, path, reporter=reporter),
        note="backbone: exported before",
        reporter=reporter,
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
            raise child_failure("exporting the backbone", exporter.returncode, exporter.stderr)
        shutil.copyfile(model, temporary)


def require_exporter() -> None:
    """Raise `FerFastError` if a package is missing that only exporting and training need."""
    if missing := _missing():
        names = " ".join(missing)
        raise FerFastError(
            f"exporting the backbone or training its head needs {names}, not installed here: "
            f"run `{sys.executable} -m pip install {names}`"
        )


def child_failure(task: str, status: int, log: str) -> FerFastError:
    """Return what to raise where a child process that runs TensorFlow failed.

    Parameters
    ----------
    task : str
        What it did.
    status : int
        Its exit status; negative: the signal that ended it.
    log : str
        What it wrote to standard error.
    """
    if status < 0:
        return FerFastError(
            f"{task} was ended by {signal.Signals(-status).name}, mostly for lack of memory: free "
            "some memory or choose a smaller --size"
        )
    last_line = log.strip().rpartition("\n")[2] or f"exit status {status}"
    failure = FerFastError(
        f"{task} failed ({last_line}): mend or reinstall TensorFlow, Keras and tf2onnx where they "
        "are the cause, or see all that they said with --debug"
    )
    failure.add_note(log)
    return failure


def installed_maker(package: str) -> str | None:
    """Return the package's name and version, None where exporting or training is impossible."""
    return None if _missing() else f"{package}-{version(package)}"


def _missing() -> list[str]:
    modules = ("tensorflow", "keras", "tf2onnx")
    return [module for module in modules if importlib.util.find_spec(module) is None]
