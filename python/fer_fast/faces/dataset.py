"""What a data set of faces is, whatever file it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.image import mirror
from fer_fast.faces.labels import FER2013, LabelSet

FACE_SIDE = 48
"""Height and width of a face, in pixels."""


class Split(IntEnum):
    """FER-2013's three splits: fit on the first, decide on the second, report on the third."""

    TRAINING = 0
    PUBLIC_TEST = 1
    PRIVATE_TEST = 2


SPLIT_NAMES = {
    Split.TRAINING: "Training",
    Split.PUBLIC_TEST: "PublicTest",
    Split.PRIVATE_TEST: "PrivateTest",
}
"""FER-2013's own names of its splits."""


@dataclass(frozen=True)
class Rows:
    """Features of some faces and their labels, row by row.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features), float32
    y : ndarray of shape (n_rows,), int64
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]


@dataclass(frozen=True)
class FaceDataset:
    """Labelled grayscale faces in three splits.

    Attributes
    ----------
    pixels : ndarray of shape (n_faces, 48, 48), uint8
    labels : ndarray of shape (n_faces,), uint8
        Positions in `class_names`.
    splits : ndarray of shape (n_faces,), uint8
        Values of `Split`.
    source : str
        Where the faces came from, for people.
    synthetic : bool
        True for the embedded generator: accuracies on it say nothing about FER-2013.
    label_set : LabelSet
        What the labels stand for.
    own_labels : ndarray of shape (n_faces,), uint8, or None
        The labels that the faces came with, where others stand in `labels`; positions in
        `class_names` too.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    splits: NDArray[np.uint8]
    source: str
    synthetic: bool = False
    label_set: LabelSet = FER2013
    own_labels: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their labels."""
        return self.label_set.names

    @cached_property
    def digest(self) -> str:
        """SHA-256 over pixels, labels and splits, in hexadecimal: the data set's identity.

        The names of the classes count too, unless they are FER-2013's.
        """
        digest = hashlib.sha256()
        for array in (self.pixels, self.labels, self.splits):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        if self.label_set != FER2013:
            digest.update(repr(self.class_names).encode())
        return digest.hexdigest()

    def rows(self, split: Split) -> NDArray[np.intp]:
        """Return the row numbers of one split, ascending."""
        return np.flatnonzero(self.splits == split)

    def take(self, rows: NDArray[np.intp]) -> FaceDataset:
        """Return these faces alone, in this order."""
        return replace(
            self,
            pixels=self.pixels[rows],
            labels=self.labels[rows],
            splits=self.splits[rows],
            own_labels=None if self.own_labels is None else self.own_labels[rows],
        )

    def mirrored(self, split: Split) -> FaceDataset:
        """Return the mirror images of one split's faces, in its order."""
        faces = self.take(self.rows(split))
        return replace(faces, pixels=mirror(faces.pixels))

    def class_counts(self, split: Split) -> dict[str, int]:
        """Return how many faces of each label a split holds."""
        counts = np.bincount(self.labels[self.rows(split)], minlength=len(self.label_set))
        return dict(zip(self.class_names, counts.tolist(), strict=True))
