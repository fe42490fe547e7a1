"""What a data set of faces is, whatever file it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""FER-2013's expressions; the position is the label."""

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
        Positions in `LABELS`.
    splits : ndarray of shape (n_faces,), uint8
        Values of `Split`.
    source : str
        Where the faces came from, for people.
    synthetic : bool
        True for the embedded generator: accuracies on it say nothing about FER-2013.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    splits: NDArray[np.uint8]
    source: str
    synthetic: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over pixels, labels and splits, in hexadecimal: the data set's identity."""
        digest = hashlib.sha256()
        for array in (self.pixels, self.labels, self.splits):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def rows(self, split: Split) -> NDArray[np.intp]:
        """Return the row numbers of one split, ascending."""
        return np.flatnonzero(self.splits == split)

    def mirrored(self, split: Split) -> FaceDataset:
        """Return the mirror images of one split's faces, in its order."""
        rows = self.rows(split)
        return replace(
            self,
            pixels=np.ascontiguousarray(self.pixels[rows][:, :, ::-1]),
            labels=self.labels[rows],
            splits=self.splits[rows],
        )

    def class_counts(self, split: Split) -> dict[str, int]:
        """Return how many faces of each label a split holds."""
        counts = np.bincount(self.labels[self.rows(split)], minlength=len(LABELS))
        return dict(zip(LABELS, counts.tolist(), strict=True))
