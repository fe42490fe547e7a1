"""The one cache of all that is slow to make: an entry is made once, and known by its checksum."""

from __future__ import annotations

import atexit
import functools
import hashlib
import io
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from fer_fast.errors import OutputError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.files import (
    UNFINISHED_FILE,
    atomic_write,
    exclusive,
    file_digest,
    folder_size,
    is_there,
    make_dir,
    refused_writes,
    remove_unlocked,
    temporary_dir,
)

VARIABLE = "FER_FAST_CACHE"
"""The environment variable that names the cache's folder."""

_UNFINISHED = "unfinished"
"""The cache's folder for what is needed only while a process lives."""

_ABANDONED_AFTER_S = 24 * 3600
"""Age from which nobody still writes a temporary file of `atomic_write`, in seconds."""

Make = Callable[[BinaryIO], object]
"""Writes an entry to a file that cannot be rewound."""


def cache_root() -> Path | None:
    """Return the cache's folder, which need not be there; None: this user has no home to hold it.

    That is the folder that the environment variable ``FER_FAST_CACHE`` names, or else the
    platform's user cache folder for ``fer-fast``.
    """
    named = os.environ.get(VARIABLE)
    try:
        root = Path(named).expanduser() if named else platformdirs.user_cache_path("fer-fast")
        root = root.absolute()
    except (OSError, RuntimeError):
        return None
    # What no home folder stands for is left as it is by some releases of platformdirs.
    return None if "~" in root.parts else root


@dataclass(frozen=True)
class Entry:
    """What decides a cached file, and so its name.

    Attributes
    ----------
    kind : str
        The cache's folder for such files.
    label : str
        How its name starts, for people.
    key : mapping of JSON types
        Everything that decides its content beside the maker; among it a revision that counts the
        changes of the code that makes it.
    suffix : str
    maker : str or None
        The package that makes it, with its version; empty: no package's version matters. None: it
        is not installed, so that a file of any version is taken rather than none.
    """

    kind: str
    label: str
    key: Mapping[str, Any]
    suffix: str
    maker: str | None = ""

    @property
    def name(self) -> str:
        """The file's name; a pattern where it may be of any version."""
        digest = hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()[:16]
        maker = "*" if self.maker is None else self.maker
        return "-".join(filter(None, (self.label, digest, maker))) + self.suffix


class Cache:
    """Files that were slow to make, each with a seal beside it: its SHA-256, size and time.

    The checksum is computed while the file is written, and not again as long as size and time of
    change are those of the seal: both change with whatever truncates, rewrites or replaces a file,
    and `atomic_write` has waited for the disk before the seal was written, so that no loss of power
    leaves a sealed file without its bytes. A file whose time alone differs, such as a copy, is read
    whole once and sealed anew. What a disk silently turns over later is not looked for: reading
    700 MB at each start to find it would cost more than making the features does on a GPU.

    Processes that need the same entry at once make it once: the others wait for the first. A cache
    that cannot be written, because it is read-only, foreign, full or nowhere, is used for what it
    holds; what cannot be kept there lives in a folder of this process, with a warning.

    Parameters
    ----------
    reporter : Reporter
        Hears about hits, damaged files, and files that cannot be kept.

    Attributes
    ----------
    root : Path or None
        See `cache_root`.
    """

    def __init__(self, reporter: Reporter = SILENT) -> None:
        self.root = cache_root()
        self._reporter = reporter

    def get_or_make(self, entry: Entry, make: Make, *, hit: str = "") -> Path:
        """Return the path of an entry, making it first if need be.

        Parameters
        ----------
        entry : Entry
        make : callable
            Writes the entry to a binary file that cannot be rewound. Where the disk fills up
            meanwhile it is called again for another place; what is slow should not be done twice.
        hit : str
            What to say, beside the path, of an entry that was made before.

        Raises
        ------
        OutputError
            If the entry can be written neither to the cache nor to a temporary folder.
        """
        with self._only_maker(entry) as found:
            if found is not None:
                other = ""
                if entry.maker is None:
                    other = ": what makes it is not installed here, so that any version's will do"
                if hit:
                    self._reporter.note(f"{hit}, from the cache ({found}){other}")
                return found
            return self.keep(entry.kind, entry.name, make)

    def find(self, entry: Entry) -> Path | None:
        """Return the path of an entry that is there and intact, or None."""
        for root in self._roots():
            with suppress(OSError):
                for path in sorted((root / entry.kind).glob(entry.name), reverse=True):
                    if _is_intact(path):
                        return path
        return None

    def glob(self, entry: Entry) -> list[Path]:
        """Return the paths of entries whose label is a pattern, in no order; unread."""
        return [path for root in self._roots() for path in (root / entry.kind).glob(entry.name)]

    def is_as_sealed(self, path: Path) -> bool:
        """Tell whether an entry's bytes, all of which are read, are those that were written."""
        with suppress(OSError):
            return _seal_of(path).read_text("ascii", "replace").split()[0] == file_digest(path)
        return False

    def remove(self, path: Path) -> None:
        """Remove an entry that another has in it; what cannot be removed stays."""
        for one in (path, _seal_of(path)):
            with suppress(OSError):
                one.unlink()

    def path(self, kind: str, name: str) -> Path | None:
        """Return where a file of a fixed name is, or would be; None if there is no cache."""
        for root in self._roots():
            if is_there(root / kind / name):
                return root / kind / name
        return None if self.root is None else self.root / kind / name

    def keep(self, kind: str, name: str, make: Make) -> Path:
        """Make a file and seal it, in the cache or else in a folder of this process.

        Raises
        ------
        OutputError
            If neither can be written, or `make` raises it of another file.
        """
        others: list[OutputError] = []

        def make_here(file: BinaryIO) -> None:
            try:
                make(file)
            except OutputError as error:
                others.append(error)
                raise

        try:
            if self.root is None:
                raise OutputError("this user has no home folder")
            return _write_sealed(self.root / kind / name, make_here)
        except OutputError as error:
            if error in others:
                raise
            self._reporter.warn(
                f"{name} is not kept for later runs ({error.message}): name another cache with "
                f"{VARIABLE}"
            )
        return _write_sealed(_own_root() / kind / name, make)

    def tidy(self) -> int:
        """Remove what killed processes of this user left behind; return its size in bytes.

        That is every `scratch_dir` whose process is gone, and every temporary file of
        `atomic_write` that was last written a day ago. What cannot be removed stays.
        """
        if self.root is None:
            return 0
        freed = 0
        with suppress(OSError):
            for file in self.root.glob(f"*/{UNFINISHED_FILE}*"):
                with suppress(OSError):
                    status = file.lstat()
                    age = time.time() - status.st_mtime
                    if stat.S_ISREG(status.st_mode) and age > _ABANDONED_AFTER_S:
                        file.unlink()
                        freed += status.st_size
        return freed + remove_unlocked(self.root / _UNFINISHED)

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each kind of entry that the cache holds."""
        found: dict[str, int] = {}
        with suppress(OSError):
            for folder in sorted(self.root.iterdir() if self.root else ()):
                if folder.is_dir():
                    found[folder.name] = folder_size(folder)
        return found

    def _roots(self) -> Iterator[Path]:
        if self.root is not None:
            yield self.root
        if _own_root.cache_info().currsize:
            yield _own_root()

    @contextmanager
    def _only_maker(self, entry: Entry) -> Iterator[Path | None]:
        """Yield an entry's path if it is there, or None with its lock held."""
        found = self.find(entry)
        if found is not None or self.root is None or entry.maker is None:
            yield found
            return
        path = self.root / entry.kind / entry.name
        with suppress(OutputError):
            make_dir(path.parent)

        def say_so() -> None:
            self._reporter.note(f"waiting for another run that is making {path.name}")

        with exclusive(path.with_name(f"{UNFINISHED_FILE}{path.name}.lock"), waiting=say_so):
            found = self.find(entry)
            if found is None and is_there(path):
                self._reporter.warn(
                    f"the cache file {path} is damaged or unfinished: making it again"
                )
            yield found


@contextmanager
def scratch_dir() -> Iterator[Path]:
    """Yield a new folder that is removed when the block ends.

    It is in the cache, which has room for large files, or else where the system keeps temporary
    ones. If the process is killed before, `Cache.tidy` removes it from the cache.

    Raises
    ------
    OutputError
        If there is neither, or the operating system refuses a write in the block.
    """
    root = cache_root()
    places = [] if root is None else [temporary_dir(root / _UNFINISHED)]
    refusals = []
    with ExitStack() as whole:
        for place in (*places, _system_temporary_dir()):
            try:
                folder = whole.enter_context(place)
            except OutputError as refusal:
                refusals.append(refusal.message)
            else:
                break
        else:
            raise OutputError(
                f"there is no folder for temporary files ({'; '.join(refusals)})",
                hint=f"name a cache with {VARIABLE}",
            )
        yield folder


@contextmanager
def _system_temporary_dir() -> Iterator[Path]:
    with ExitStack() as whole:
        try:
            place: AbstractContextManager[str] = tempfile.TemporaryDirectory(
                prefix="fer-fast-", ignore_cleanup_errors=True
            )
            folder = Path(whole.enter_context(place))
        except OSError as error:
            raise OutputError(
                f"the system has no temporary folder ({error.strerror or error})"
            ) from error
        with refused_writes(folder, within=folder):
            yield folder


@functools.cache
def _own_root() -> Path:
    """Return a folder that lives as long as this process."""
    life = ExitStack()
    folder = life.enter_context(_system_temporary_dir())
    atexit.register(life.close)
    return folder


class _Digesting(io.BufferedIOBase):
    """A file for writing that keeps the SHA-256 of what passes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.sha256.update(data)
        return self._file.write(data)


def _write_sealed(path: Path, make: Make) -> Path:
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        digesting = _Digesting(file)
        make(digesting)  # type: ignore[arg-type]
    _seal(path, digesting.sha256.hexdigest())
    return path


def _seal(path: Path, digest: str) -> None:
    with atomic_write(_seal_of(path)) as temporary:
        temporary.write_text(f"{digest} {_identity(path)}")


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _identity(path: Path) -> str:
    """Return a file's size in bytes and its time of change in nanoseconds."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _is_intact(path: Path) -> bool:
    """Tell whether a file is unchanged since it was sealed."""
    try:
        # A damaged seal may be no text; a seal of fer-fast 0.1 is a checksum alone.
        digest, _, identity = _seal_of(path).read_bytes().decode("ascii", "replace").partition(" ")
        if identity == _identity(path):
            return True
        if file_digest(path) != digest:
            return False
    except OSError:
        return False
    with suppress(OutputError):
        _seal(path, digest)
    return True
