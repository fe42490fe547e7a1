"""MobileNetV2's tensors in HDF5 files: every layout that Keras writes, read without Keras."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.architecture import LAYERS, tensors_digest
from fer_fast.environment import child_environment, install_line
from fer_fast.errors import WeightsError

Tensors = list[NDArray[np.float32]]

LONGEST_S = 120.0
"""What reading a file may take, in seconds; that of ten megabytes takes one."""


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
            return read_hdf5(file, str(path))
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path} ({error.strerror or error})") from error


def read_digest(path: Path) -> str:
    """Return `architecture.tensors_digest` of a file's tensors, read by a process of its own.

    On some damaged files HDF5's library goes round in circles, or crashes: a file that others have
    made is read here before it is read anywhere else.

    Raises
    ------
    WeightsError
        As `read_tensors`, or if the process does not end well.
    """
    require_h5py()
    # `-P` keeps the folder where the user stands off the path.
    command = [sys.executable, "-P", "-m", "fer_fast.backbone.hdf5", str(path)]
    try:
        child = subprocess.run(
            command, capture_output=True, check=False, env=child_environment(), timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise WeightsError(
            f"{path} is no readable HDF5 file: it keeps the library busy for more than "
            f"{LONGEST_S:g} s, as a damaged one may"
        ) from None
    if child.returncode == _REFUSED:
        raise WeightsError(child.stderr.decode(errors="surrogateescape"))
    if child.returncode != 0:
        lines = child.stderr.decode(errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit status {child.returncode}"
        raise WeightsError(
            f"{path} is no readable HDF5 file: reading it ended the library ({said}), as a "
            "damaged one may"
        )
    return child.stdout.decode()


_REFUSED = 3
"""Exit status of the process that reads a file which is not to be used."""


def _print_digest(path: Path) -> int:
    """Print a file's digest, or on standard error why there is none; return the exit status."""
    try:
        sys.stdout.write(tensors_digest(read_tensors(path)))
    except WeightsError as error:
        sys.stderr.buffer.write(str(error).encode(errors="surrogateescape"))
        return _REFUSED
    return 0


def _read_keras_archive(file: IO[bytes], name: str) -> Tensors:
    try:
        with zipfile.ZipFile(file) as archive:
            return read_hdf5(io.BytesIO(archive.read("model.weights.h5")), name)
    except (KeyError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(f"{name} is no Keras model: give an .h5 or .keras file") from error


def read_hdf5(file: IO[bytes], name: str) -> Tensors:
    """Read the tensors of an open HDF5 file, called `name` in messages.

    Raises
    ------
    WeightsError
        If it is no such file, holds another architecture, or the reader is not installed.
    """
    h5py = require_h5py()
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


def write_tensors(tensors: Tensors, file: BinaryIO) -> None:
    """Write MobileNetV2's tensors to a binary file, in the layout of Keras' applications."""
    h5py = require_h5py()
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
    file.write(content.getvalue())


def require_h5py() -> Any:
    """Return the module ``h5py``, or raise `WeightsError` if it is missing or broken."""
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            f"reading weights needs h5py, which cannot be used here ({error}): run "
            f"`{install_line('train')}`"
        ) from error
    return h5py


def _float32(dataset: Any) -> NDArray[np.float32]:
    return np.asarray(dataset, dtype=np.float32)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


if __name__ == "__main__":
    sys.exit(_print_digest(Path(sys.argv[1])))
