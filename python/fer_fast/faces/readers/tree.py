"""FER-2013, or faces of other classes, as pictures in folders: ``train/<label>/…``."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FACE_SIDE, FaceDataset, Split
from fer_fast.faces.image import decode_grey, read_picture, resize
from fer_fast.faces.labels import FER2013, FERPLUS, LabelSet
from fer_fast.faces.readers.files import Entry, split_of
from fer_fast.progress import Reporter
from fer_fast.storage.spool import Spool

_MOST_CLASSES = 256
"""Labels are single bytes."""


@dataclass(frozen=True)
class PictureTree:
    """Pictures whose folders say their split and label.

    Attributes
    ----------
    entries : sequence of Entry
        In the order of their paths.
    splits, labels : sequence of int
        Of each.
    label_set : LabelSet
    source : str
        The tree's name in messages.
    """

    entries: Sequence[Entry]
    splits: Sequence[Split]
    labels: Sequence[int]
    label_set: LabelSet
    source: str

    def digest(self, reporter: Reporter) -> str:
        """Return the SHA-256 over the names and contents of the pictures, in hexadecimal."""
        digest = hashlib.sha256()
        with reporter.task("Looking for faces read before", len(self.entries), "images") as task:
            for entry in self.entries:
                with entry.open() as file:
                    content = hashlib.file_digest(file, "sha256").digest()  # type: ignore[arg-type]
                digest.update(f"{entry.path}\0".encode("utf-8", "surrogateescape"))
                digest.update(content)
                task.advance()
        return digest.hexdigest()

    def read(self, reporter: Reporter) -> FaceDataset:
        """Read the pictures as grey faces.

        Pictures of another size than 48×48 are resized, which is announced. Pixels that take more
        than a quarter of a gigabyte are mapped from a file.

        Raises
        ------
        DataError
            If a picture cannot be read.
        OutputError
            If there is no room for that file.
        """
        resized = 0
        rows = sorted(range(len(self.entries)), key=lambda row: self.entries[row].place)
        with reporter.task("Reading faces", len(rows), "images") as task, Spool() as spool:
            for row in rows:
                face = self._picture(self.entries[row])
                small = resize(face, FACE_SIDE, FACE_SIDE)
                spool.write(small.tobytes(), at=row * small.size)
                resized += face.shape != (FACE_SIDE, FACE_SIDE)
                task.advance()
            pixels = spool.array()
        if resized:
            reporter.note(
                f"{self.source}: {resized:,} pictures resized to {FACE_SIDE}×{FACE_SIDE} pixels"
            )
        return FaceDataset(
            pixels.reshape(-1, FACE_SIDE, FACE_SIDE),
            np.array(self.labels, np.uint8),
            np.array(self.splits, np.uint8),
            self.source,
            label_set=self.label_set,
        )

    def _picture(self, entry: Entry) -> NDArray[np.uint8]:
        name = f"{self.source}/{entry.path}"
        with entry.open() as file:
            return decode_grey(read_picture(file, name), name)


def picture_tree(files: Sequence[Entry], source: str, reporter: Reporter) -> PictureTree | None:
    """Find the pictures among the files of a folder or an archive that stand in label folders.

    Pictures elsewhere, and other files in label folders, are left out; both are announced.

    Returns
    -------
    PictureTree or None
        None: there are no such pictures.

    Raises
    ------
    DataError
        If split folders stand in more than one place, or the training or test split is missing, or
        the label folders' names cannot be understood.
    """
    pictures = [entry for entry in files if entry.is_picture]
    placed = [(entry, split) for entry in pictures if (split := entry.split) is not None]
    if not placed:
        return None
    entries, splits = zip(*placed, strict=True)
    roots = sorted({str(entry.path.parents[2]) for entry in entries})
    if len(roots) > 1:
        raise DataError(
            f"{source} has split folders in more than one place ({', '.join(roots[:3])})",
            hint="give the one that is meant",
        )
    _require_splits(set(splits), source)
    label_set = _label_set(entries, source)
    labels = []
    for entry in entries:
        label = label_set.code(entry.path.parts[-2])
        assert label is not None, "every folder's name is in the set that was made of them"
        labels.append(label)
    _announce_left_out(files, len(pictures) - len(placed), source, reporter)
    return PictureTree(entries, splits, labels, label_set, source)


def _require_splits(splits: set[Split], source: str) -> None:
    if Split.TRAINING not in splits:
        raise DataError(
            f"{source} has no training rows",
            hint="put the pictures to learn from into train/<label>/",
        )
    if Split.PRIVATE_TEST in splits:
        return
    if Split.PUBLIC_TEST in splits:
        mend = (
            "rename its validation folder to test to report on it (a ninth of train then decides)"
        )
    else:
        mend = "put the pictures to report on into test/<label>/"
    raise DataError(
        f"{source} has no test rows",
        hint=mend,
    )


def _label_set(entries: Sequence[Entry], source: str) -> LabelSet:
    """Return FER-2013's or FER+'s classes if the folders have their names, or the folders' own."""
    folders = sorted({entry.path.parent for entry in entries})
    if any(FER2013.code(folder.name) is not None for folder in folders):
        for known in (FER2013, FERPLUS):
            unknown = [folder for folder in folders if known.code(folder.name) is None]
            if not unknown:
                return known
        raise DataError(
            f"{source} has a folder {unknown[0]} beside FER-2013's expressions, whose name is none "
            "of them",
            hint="leave it out by moving it elsewhere; if it is one of "
            f"{', '.join(FERPLUS.names)} (or {', '.join(FERPLUS.synonyms)}), rename it; to train "
            "on other classes, let no folder have a name of FER-2013's",
        )
    trained: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for folder in folders:
        names = trained if split_of(folder.parent.name) is Split.TRAINING else elsewhere
        names.setdefault(folder.name.casefold(), folder.name)
    for folded, name in elsewhere.items():
        if folded not in trained:
            raise DataError(
                f"{source} has pictures of {name} outside its training folder alone",
                hint="nothing can learn that class, so rename or remove it",
            )
    if not 2 <= len(trained) <= _MOST_CLASSES:
        raise DataError(
            f"{source} has {len(trained):,} classes in its training folder",
            hint=f"give 2 to {_MOST_CLASSES}",
        )
    return LabelSet("its own", tuple(trained[folded] for folded in sorted(trained)))


def _announce_left_out(
    files: Sequence[Entry], n_outside: int, source: str, reporter: Reporter
) -> None:
    if n_outside:
        reporter.warn(
            f"{source}: {n_outside:,} pictures outside train/<label>/, test/<label>/ and "
            "validation/<label>/ are left out"
        )
    others = [entry for entry in files if entry.split is not None and not entry.is_picture]
    if others:
        suffixes = Counter(entry.path.suffix.lower() or "no suffix" for entry in others)
        shown = ", ".join(suffix for suffix, _ in suffixes.most_common(5))
        reporter.warn(
            f"{source}: {len(others):,} files in the label folders are of no format that is read "
            f"({shown}) and are left out"
        )
