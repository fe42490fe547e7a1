"""Faces as NumPy's own archive: for users' data, and for the cache."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FACE_SIDE, LABELS, FaceDataset, Split
from fer_fast.storage.files import atomic_write

_ARRAYS = ("pixels", "labels", "splits")
# A changed bit may make an archive look encrypted (RuntimeError) or newer than its reader
# (NotImplementedError, a RuntimeError too), or break the Python literal that heads an array.
_DAMAGE = (
    ValueError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def save_npz(dataset: FaceDataset, path: Path) -> None:
    """Write a data set as an uncompressed ``.npz`` that `load_faces` reads.

    The archive holds ``pixels`` (n_faces, 48, 48), ``labels`` (n_faces,) and ``splits`` (n_faces,),
    all uint8.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        write_npz(dataset, file)


def write_npz(dataset: FaceDataset, file: BinaryIO) -> None:
    """Write what `save_npz` writes to an open binary file, which need not be seekable."""
    np.savez(file, pixels=dataset.pixels, labels=dataset.labels, splits=dataset.splits)


def read_npz(path: Path, source: str) -> FaceDataset:
    """Read what `save_npz` wrote.

    Raises
    ------
    DataError
        If the file is damaged, or its arrays are not those of a data set of faces.
    """
    try:
        with path.open("rb") as file:
            # np.load also reads single arrays and pickles, and says something else of each.
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile
            with np.load(file, allow_pickle=False) as archive:
                pixels, labels, splits = (archive[name] for name in _ARRAYS)
    except KeyError as error:
        raise DataError(
            f"{path} lacks one of the arrays {', '.join(_ARRAYS)}: write it with save_npz"
        ) from error
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged or no .npz archive: write it again") from error
    count = len(labels) if labels.ndim else 0
    shapes = (pixels.shape, labels.shape, splits.shape)
    if shapes != ((count, FACE_SIDE, FACE_SIDE), (count,), (count,)) or any(
        array.dtype != np.uint8 for array in (pixels, labels, splits)
    ):
        raise DataError(
            f"{path} has not the shapes (n, {FACE_SIDE}, {FACE_SIDE}), (n,) and (n,) of uint8 "
            "for pixels, labels and splits: write it with save_npz"
        )
    if count and (labels.max() >= len(LABELS) or splits.max() >= len(Split)):
        raise DataError(
            f"{path} has a label above {len(LABELS) - 1} or a split above {len(Split) - 1}: "
            "write it with save_npz"
        )
    return FaceDataset(pixels, labels, splits, source)
