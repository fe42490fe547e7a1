"""Cached files that know when they are damaged: each has its SHA-256 beside it."""

from __future__ import annotations

from pathlib import Path

from fer_fast.progress import Reporter
from fer_fast.storage import file_digest, written_whole


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
        intact = _checksum_of(path).read_text() == file_digest(path)
    except OSError:
        intact = False
    if not intact:
        reporter.warn(f"the cache file {path} is damaged or unfinished: making it again")
    return intact


def _checksum_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
