"""Cached files that know when they are damaged: each has its SHA-256 beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fer_fast.progress import Reporter
from fer_fast.storage.files import cache_dir, file_digest, written_whole


def made_once(
    prefix: str,
    key: Mapping[str, Any],
    maker: str | None,
    make: Callable[[Path], None],
    *,
    note: str,
    reporter: Reporter,
) -> Path:
    """Return the path of a model in the cache, making it first if need be.

    Parameters
    ----------
    prefix : str
        How the file's name starts.
    key : mapping of JSON types
        Everything that decides the model, beside its maker.
    maker : str or None
        The package that makes it, with its version. None: it is not installed, so that a model of
        any version is taken rather than none.
    make : callable
        Writes the model to a path, or raises `FerFastError` where the maker is not installed.
    note : str
        What to say of a model that was made before.
    reporter : Reporter
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    folder, name = cache_dir("models"), f"{prefix}-{digest}"
    path = folder / f"{name}-{maker}.onnx"
    known = [path] if maker else sorted(folder.glob(f"{name}-*.onnx"), reverse=True)
    for model in known:
        if is_intact(model, reporter):
            why = "" if maker else ": without TensorFlow here, any version's will do"
            reporter.note(f"{note}, from the cache ({model.name}){why}")
            return model
    make(path)
    seal(path)
    return path


def seal(path: Path) -> None:
    """Write the checksum of a finished cache file beside it.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with written_whole(_checksum_of(path)) as temporary:
        temporary.write_text(file_digest(path))


def is_intact(path: Path, reporter: Reporter) -> bool:
    """Tell whether `path` is there and unchanged since `seal`, and warn if it was changed."""
    if not path.exists():
        return False
    try:
        # As bytes, for a damaged checksum may be no text.
        intact = _checksum_of(path).read_bytes() == file_digest(path).encode()
    except OSError:
        intact = False
    if not intact:
        reporter.warn(f"the cache file {path} is damaged or unfinished: making it again")
    return intact


def _checksum_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
