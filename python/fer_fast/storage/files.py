"""Where cached files live, and how any file is written: whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import platformdirs

from fer_fast.errors import OutputError


def cache_dir(*parts: str) -> Path:
    """Return the folder `parts` of the cache, created if need be.

    The cache is the folder that the environment variable ``FER_FAST_CACHE`` names, or else the
    platform's user cache folder for ``fer-fast``.

    Raises
    ------
    OutputError
        If the folder cannot be created.
    """
    root = os.environ.get("FER_FAST_CACHE")
    base = Path(root).expanduser() if root else platformdirs.user_cache_path("fer-fast")
    return make_dir(base.joinpath(*parts))


def make_dir(path: Path) -> Path:
    """Create the folder `path` with its parents, and return it.

    Raises
    ------
    OutputError
        If the folder cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot create the folder {path} ({error.strerror}): name a folder you may write to"
        ) from error
    return path


_UNFINISHED_FILE = ".fer-fast-"
"""How the names of temporary files start: never taken for anyone else's."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved over `path` only if the block succeeds.

    Whatever fails, a full disk included, nothing half-written is left under the final name, and the
    temporary file is removed.

    Raises
    ------
    OutputError
        If the operating system refuses the write.
    """
    make_dir(path.parent)
    with _refusals_of(path):
        handle, name = tempfile.mkstemp(
            prefix=f"{_UNFINISHED_FILE}{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp's 0600 would keep a shared cache or a report from everyone else.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _refusals_of(path: Path) -> Iterator[None]:
    """Turn what the operating system raises when it refuses to write `path` into `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {path} ({error.strerror or error}): "
            "free some space or choose another place"
        ) from error


_UNFINISHED = "unfinished"
"""The cache's folder for what is needed only while a process lives."""


@contextmanager
def scratch_dir() -> Iterator[Path]:
    """Yield a new folder in the cache that is removed when the block ends.

    If the process is killed before, `remove_abandoned` removes it.

    Raises
    ------
    OutputError
        If the operating system refuses the folder, or a write in the block.
    """
    room = cache_dir(_UNFINISHED)
    with _refusals_of(room), ExitStack() as whole:
        # Nobody may take the folder for abandoned between its creation and its lock.
        with ExitStack() as creation:
            _lock(room, creation)
            folder = Path(tempfile.mkdtemp(dir=room))
            _lock(folder, whole)
        whole.callback(shutil.rmtree, folder)
        yield folder


_ABANDONED_AFTER_S = 24 * 3600
"""Age from which nobody still writes a temporary file of `written_whole`, in seconds."""


def remove_abandoned() -> int:
    """Remove what killed processes of this user left in the cache; return its size in bytes.

    That is every `scratch_dir` whose process is gone, and every temporary file of `written_whole`
    that was last written a day ago.
    """
    freed = 0
    for file in cache_dir().glob(f"*/{_UNFINISHED_FILE}*"):
        with suppress(OSError):
            status = file.lstat()
            if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > _ABANDONED_AFTER_S:
                file.unlink()
                freed += status.st_size
    room = cache_dir(_UNFINISHED)
    with ExitStack() as inspection:
        _lock(room, inspection)
        for folder in room.iterdir():
            with ExitStack() as removal:
                if _lock(folder, removal, wait=False):
                    freed += folder_size(folder)
                    # Its process may have removed it before it let go.
                    shutil.rmtree(folder, ignore_errors=True)
    return freed


def _lock(folder: Path, until: ExitStack, *, wait: bool = True) -> bool:
    """Lock a folder until `until` or this process ends; tell whether that was possible.

    It is not if the folder is another user's, or another process has locked it and `wait` is False,
    or the file system or Windows knows no such locks: then nothing is ever taken for abandoned.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
        until.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def folder_size(folder: Path) -> int:
    """Return how many bytes the files below a folder have."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
