"""How files are written, locked and digested: whole or not at all, by one process at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from fer_fast.errors import OutputError

UNFINISHED_FILE = ".fer-fast-"
"""How the names of temporary files start: never taken for anyone else's."""

_REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""What a write alone may be answered with (EIO: also a read, of a device that fails anyway)."""


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
            f"cannot create the folder {path} ({error.strerror})",
            hint="name a folder you may write to",
        ) from error
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, moved over `path` only if the block succeeds.

    Whatever fails, a full disk or a loss of power included, the final name is that of the old file
    or of the whole new one: the file and its folder are on the disk before this returns. A link
    stays one: what it leads to is written.

    Raises
    ------
    OutputError
        If the operating system refuses the write, or `path` is there and no file: a device would be
        lost to the file that took its place. What else fails in the block, such as reading another
        file or starting a program, is raised as it is.
    """
    path = _led_to(path)
    make_dir(path.parent)
    _require_replaceable(path)
    name = f"{UNFINISHED_FILE}{path.stem[:40]}-{secrets.token_hex(4)}{path.suffix}"
    temporary = path.with_name(name)
    with refused_writes(path, within=temporary):
        try:
            # The kernel takes the umask off, unlike `tempfile`, whose files are the owner's alone.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            if sys.platform != "win32":
                _sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _led_to(path: Path) -> Path:
    if not path.is_symlink():
        return path
    # Python raises RuntimeError for a circle of links up to 3.12, and leaves it one from 3.13 on.
    with suppress(OSError, RuntimeError):
        end = path.resolve()
        if not end.is_symlink():
            return end
    raise OutputError(f"cannot write {path}, a link that leads to itself", hint="name another file")


def _require_replaceable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        # It is not there, or the write itself is refused.
        return
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
        raise OutputError(f"cannot write {path}, which is {kind}", hint="name a file")


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    is_folder = path.is_dir()
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some network file systems know no such thing for folders.
        if not is_folder:
            raise
    finally:
        os.close(descriptor)


@contextmanager
def refused_writes(path: Path, *, within: Path) -> Iterator[None]:
    """Turn a refusal to write `path` into `OutputError`, and nothing else that a block raises.

    Parameters
    ----------
    path : Path
        What the message names.
    within : Path
        The file or folder that the block writes; errors that name another file are not its own.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        named = {Path(os.fsdecode(f)) for f in (error.filename, error.filename2) if _is_path(f)}
        ours = any(within in (file, *file.parents) for file in named)
        if not ours and (named or error.errno not in _REFUSALS):
            raise
        raise OutputError(
            f"cannot write {path} ({error.strerror or error})",
            hint="free some space or choose another place",
        ) from error


def _is_path(name: object) -> bool:
    return isinstance(name, str | bytes | os.PathLike)


@contextmanager
def temporary_dir(parent: Path) -> Iterator[Path]:
    """Yield a new folder in `parent`, locked while the block runs and removed when it ends.

    If the process is killed before, `remove_unlocked` removes the folder.

    Raises
    ------
    OutputError
        If the operating system refuses the folder, or a write in it.
    """
    make_dir(parent)
    with ExitStack() as whole:
        with refused_writes(parent, within=parent), ExitStack() as creation:
            # Nobody may take the folder for abandoned between its creation and its lock.
            _lock_dir(parent, creation)
            folder = Path(tempfile.mkdtemp(dir=parent))
            _lock_dir(folder, whole)
        whole.callback(shutil.rmtree, folder, ignore_errors=True)
        with refused_writes(parent, within=folder):
            yield folder


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file or folder while the block runs; yield False where another holds it.

    The lock is gone with this process, however that ends. Where there are no locks, as on Windows
    and some network file systems, nobody ever holds it.
    """
    with ExitStack() as held:
        try:
            descriptor = os.open(path, os.O_RDONLY)
            held.callback(os.close, descriptor)
            _lock(descriptor, wait=False)
        except BlockingIOError:
            is_ours = False
        except OSError:
            is_ours = True
        else:
            is_ours = True
        yield is_ours


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that a killed `atomic_write` left in a folder.

    Nobody may be writing there: `locked` sees to that.
    """
    for file in folder.glob(f"{UNFINISHED_FILE}*"):
        _remove(file)


def remove_unlocked(parent: Path) -> int:
    """Remove the folders that killed processes left by `temporary_dir`; return their bytes."""
    freed = 0
    with suppress(OSError), ExitStack() as inspection:
        _lock_dir(parent, inspection)
        for folder in list(parent.iterdir()):
            with ExitStack() as removal:
                if _lock_dir(folder, removal, wait=False):
                    freed += folder_size(folder)
                    # Its process may have removed it before it let go.
                    shutil.rmtree(folder, ignore_errors=True)
    return freed


def _lock_dir(folder: Path, until: ExitStack, *, wait: bool = True) -> bool:
    """Lock a folder until `until` or this process ends; tell whether that was possible.

    It is not if the folder is another user's, or another process has locked it and `wait` is False,
    or the file system or Windows knows no such locks: then nothing is ever taken for abandoned.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    until.callback(os.close, descriptor)
    try:
        return _lock(descriptor, wait=wait)
    except BlockingIOError:
        return False


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file or folder until it is closed; tell whether this system knows such locks.

    Raises
    ------
    BlockingIOError
        If `wait` is False and another process holds the lock.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


@contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock that the file `path` stands for, waiting for another process that holds it.

    Where files cannot be locked, the block runs all the same: two processes may then do the same
    work, each into a temporary file of its own.

    Parameters
    ----------
    path : Path
        There only as long as somebody holds the lock.
    waiting : callable
        Called if another process holds it.
    """
    with ExitStack() as held:
        while True:
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
            except OSError:
                break
            opened = held.enter_context(ExitStack())
            opened.callback(os.close, descriptor)
            try:
                is_locked = _lock(descriptor, wait=False)
            except BlockingIOError:
                waiting()
                is_locked = _lock(descriptor, wait=True)
            if not is_locked:
                break
            if _is_open_as(path, descriptor):
                held.callback(_remove, path)
                break
            # Who held the lock has removed the file: what has its name now is another's.
            opened.close()
        yield


def _is_open_as(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def is_there(path: Path) -> bool:
    """Tell whether there is such a file; what stands in a folder that is closed to us is not."""
    return os.access(path, os.F_OK)


def folder_size(folder: Path) -> int:
    """Return how many bytes the files below a folder have; what vanishes meanwhile has none."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118
    return size


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
