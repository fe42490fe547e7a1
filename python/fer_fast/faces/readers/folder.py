"""The files of a folder: a walk that goes only where pictures or tables of the user's may be."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fer_fast.errors import DataError
from fer_fast.faces.image import SUFFIXES
from fer_fast.faces.readers.files import Entry, is_visible, of_interest, part_played, split_of
from fer_fast.progress import Reporter


def folder_files(folder: Path, reporter: Reporter) -> list[Entry]:
    """Return the pictures and tables of a folder and its subfolders, in the order of their paths.

    Links to folders are followed, each real folder being visited once in each part that it plays.
    Hidden folders and those of the operating system are not entered. Outside the split folders, one
    that cannot be opened is left out with a warning.

    Raises
    ------
    OSError
        If `folder` itself cannot be opened.
    DataError
        If a split or label folder cannot be opened, or a picture there is no file.
    """
    walk = _Walk(folder, reporter, is_missed=_is_missed, is_needed=part_played)
    files = of_interest(walk.files())
    if walk.lost:
        raise DataError(
            f"{folder} holds {len(walk.lost):,} entries that are neither files nor folders, such "
            f"as links that lead nowhere ({walk.lost[0]})",
            hint="fetch what they stand for, or remove them",
        )
    return files


def named_files(folder: Path, suffixes: Collection[str], reporter: Reporter) -> list[Path]:
    """Return the files of a folder and its subfolders with one of some suffixes, by their paths.

    The walk is that of `folder_files`, but no folder plays a part: one that cannot be opened is
    left out with a warning. Links that lead nowhere are among the files, for whoever opens them to
    hear of it.

    Raises
    ------
    OSError
        If `folder` itself cannot be opened.
    """

    def is_meant(path: PurePosixPath) -> bool:
        return path.suffix.lower() in suffixes

    walk = _Walk(folder, reporter, is_missed=is_meant, is_needed=lambda _: False)
    found = [entry.path for entry in walk.files() if is_meant(entry.path)]
    return [folder / path for path in sorted([*found, *walk.lost])]


class _Walk:
    """One pass over a folder.

    Parameters
    ----------
    folder : Path
    reporter : Reporter
    is_missed : callable
        Tells whether what cannot be opened would be wanted.
    is_needed : callable
        Tells which folder must not be left out.

    Attributes
    ----------
    lost : list of PurePosixPath
        What would be wanted, and is neither file nor folder.
    """

    def __init__(
        self,
        folder: Path,
        reporter: Reporter,
        *,
        is_missed: Callable[[PurePosixPath], bool],
        is_needed: Callable[[PurePosixPath], object],
    ) -> None:
        self._folder = folder
        self._reporter = reporter
        self._is_missed = is_missed
        self._is_needed = is_needed
        self._visited: set[tuple[int, int, tuple[str, ...]]] = set()
        self.lost: list[PurePosixPath] = []

    def files(self) -> Iterator[Entry]:
        waiting = [PurePosixPath()]
        while waiting:
            inside = waiting.pop()
            here = self._folder / inside
            try:
                status = here.stat()
                visit = (status.st_dev, status.st_ino, part_played(inside))
                if visit in self._visited:
                    continue
                self._visited.add(visit)
                with os.scandir(here) as listing:
                    entries = [entry for entry in listing if is_visible(entry.name)]
            except OSError as error:
                self._cannot_open(inside, error)
                continue
            folders = []
            for entry in entries:
                path = inside / entry.name
                mode, size = _status(entry)
                if stat.S_ISDIR(mode):
                    folders.append((entry.is_symlink(), path))
                elif stat.S_ISREG(mode):
                    yield Entry(path, size, partial(_open, self._folder / path))
                elif self._is_missed(path):
                    self.lost.append(path)
            # The last is visited first: real folders before links to them, each by name.
            waiting += [path for _, path in sorted(folders, reverse=True)]

    def _cannot_open(self, inside: PurePosixPath, error: OSError) -> None:
        if inside == PurePosixPath():
            raise error
        reason = f"cannot be opened ({error.strerror})"
        if self._is_needed(inside):
            raise DataError(
                f"{self._folder / inside} {reason}",
                hint="allow it, or remove the folder",
            ) from error
        self._reporter.warn(f"{self._folder / inside} {reason} and is left out")


def _status(entry: os.DirEntry[str]) -> tuple[int, int]:
    """Return the mode and size of what an entry leads to; zeros: it leads nowhere."""
    try:
        status = entry.stat()
    except OSError:
        return 0, 0
    return status.st_mode, status.st_size


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _is_missed(path: PurePosixPath) -> bool:
    """Tell whether what cannot be opened would be a picture, or a folder of pictures."""
    if path.suffix.lower() in SUFFIXES:
        return len(path.parts) > 2 and split_of(path.parts[-3]) is not None
    return not path.suffix and bool(part_played(path))
