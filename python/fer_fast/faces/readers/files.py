"""The files of a folder or an archive, and which of their folders mean what."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from fer_fast.faces.dataset import Split
from fer_fast.faces.image import SUFFIXES

_SPLIT_FOLDERS = {
    "train": Split.TRAINING,
    "training": Split.TRAINING,
    "val": Split.PUBLIC_TEST,
    "valid": Split.PUBLIC_TEST,
    "validation": Split.PUBLIC_TEST,
    "publictest": Split.PUBLIC_TEST,
    "test": Split.PRIVATE_TEST,
    "privatetest": Split.PRIVATE_TEST,
}
# What operating systems and file servers keep for themselves at the root of a disk or anywhere.
_FOREIGN = frozenset(
    ("__macosx", "lost+found", "system volume information", "$recycle.bin", "@eadir")
)
CONTAINER_SUFFIXES = frozenset(
    (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".npz")
)
_JUNK = frozenset(("thumbs.db", "desktop.ini"))


@dataclass(frozen=True)
class Entry:
    """A file inside a folder or an archive.

    Attributes
    ----------
    path : PurePosixPath
        Its path inside.
    size : int
        In bytes, unpacked.
    open : callable
        Opens it for reading; raises `DataError` where that cannot be done.
    place : int
        Where it stands in its archive: whoever reads in this order never has to go back.
    """

    path: PurePosixPath
    size: int
    open: Callable[[], AbstractContextManager[BinaryIO]]
    place: int = 0

    @property
    def is_picture(self) -> bool:
        """Whether its name is that of a picture."""
        return self.path.suffix.lower() in SUFFIXES

    @property
    def is_table(self) -> bool:
        """Whether its name is that of comma-separated values."""
        return self.path.suffix.lower() == ".csv"

    @property
    def is_container(self) -> bool:
        """Whether its name is that of an archive, or of something packed."""
        return self.path.suffix.lower() in CONTAINER_SUFFIXES

    @property
    def split(self) -> Split | None:
        """The split that its grandparent's name means; None: it is in no label folder."""
        return None if len(self.path.parts) < 3 else split_of(self.path.parts[-3])


def split_of(folder_name: str) -> Split | None:
    """Return the split that a folder's name means."""
    return _SPLIT_FOLDERS.get(folder_name.strip().casefold())


def part_played(folder: PurePosixPath) -> tuple[str, ...]:
    """Return the names of the split and label that a folder stands for; empty: it stands for none.

    A folder reached in another way plays the same part, or another one that counts too.
    """
    names = folder.parts[-2:]
    if names and split_of(names[-1]) is not None:
        return names[-1:]
    if len(names) == 2 and split_of(names[0]) is not None:
        return names
    return ()


def is_visible(name: str) -> bool:
    """Tell whether a file or folder is the user's own, to go by its name."""
    folded = name.casefold()
    return not (
        name.startswith(".") or folded in _FOREIGN or folded in _JUNK or folded.startswith("found.")
    )


def of_interest(entries: Iterable[Entry]) -> list[Entry]:
    """Return the visible entries that are pictures, tables or packed, or stand in a label folder.

    Of two with the same path the later counts, as it does when an archive is unpacked.
    """
    wanted = {
        entry.path: entry
        for entry in entries
        if all(map(is_visible, entry.path.parts))
        and (entry.is_picture or entry.is_table or entry.is_container or entry.split is not None)
    }
    return [wanted[path] for path in sorted(wanted)]
