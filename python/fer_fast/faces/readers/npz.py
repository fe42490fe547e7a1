"""Faces as NumPy's own archive: for users' data, and for the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FACE_SIDE, FaceDataset, Split
from fer_fast.faces.labels import FER2013, LabelSet, label_set_of
from fer_fast.storage.files import atomic_write
from fer_fast.storage.npz import DAMAGE, read_arrays

_ARRAYS = ("pixels", "labels", "splits")
_CLASS_NAMES, _OWN_LABELS = "class_names", "own_labels"


def save_npz(dataset: FaceDataset, path: Path) -> None:
    """Write a data set as an uncompressed ``.npz`` that `load_faces` reads.

    The archive holds ``pixels`` (n_faces, 48, 48), ``labels`` (n_faces,) and ``splits`` (n_faces,),
    all uint8, the names of the classes, ``class_names`` (n_classes,), and where the data set has
    them ``own_labels`` (n_faces,), uint8.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        write_npz(dataset, file)


def write_npz(dataset: FaceDataset, file: BinaryIO) -> None:
    """Write what `save_npz` writes to an open binary file, which need not be seekable."""
    arrays = {name: getattr(dataset, name) for name in _ARRAYS}
    if dataset.own_labels is not None:
        arrays[_OWN_LABELS] = dataset.own_labels
    np.savez(file, class_names=np.array(dataset.class_names), **arrays)


def read_npz(path: Path, source: str) -> FaceDataset:
    """Read what `save_npz` wrote; without names, the classes are FER-2013's.

    Pixels that take more than a quarter of a gigabyte and are not compressed stay in the file, and
    are read as they are needed.

    Raises
    ------
    DataError
        If the file is damaged, or its arrays are not those of a data set of faces.
    """
    try:
        arrays = read_arrays(path, {*_ARRAYS, _CLASS_NAMES, _OWN_LABELS}.__contains__)
        pixels, labels, splits = (arrays[name] for name in _ARRAYS)
    except KeyError as error:
        raise DataError(
            f"{path} lacks one of the arrays {', '.join(_ARRAYS)}",
            hint="write it with save_npz",
        ) from error
    except DAMAGE as error:
        raise DataError(
            f"{path} is damaged or no .npz archive",
            hint="write it again",
        ) from error
    own_labels = arrays.get(_OWN_LABELS)
    of_labels = [labels] if own_labels is None else [labels, own_labels]
    count = len(labels) if labels.ndim else 0
    rows = [splits, *of_labels]
    if (
        pixels.shape != (count, FACE_SIDE, FACE_SIDE)
        or any(array.shape != (count,) for array in rows)
        or any(array.dtype != np.uint8 for array in (pixels, *rows))
    ):
        raise DataError(
            f"{path} has not the shapes (n, {FACE_SIDE}, {FACE_SIDE}), (n,) and (n,) of uint8 "
            "for pixels, labels and splits",
            hint="write it with save_npz",
        )
    label_set = _label_set(arrays, path)
    highest = max(int(array.max(initial=0)) for array in of_labels)
    if highest >= len(label_set) or splits.max(initial=0) >= len(Split):
        raise DataError(
            f"{path} has a label above {len(label_set) - 1} or a split above {len(Split) - 1}",
            hint="write it with save_npz",
        )
    return FaceDataset(pixels, labels, splits, source, label_set=label_set, own_labels=own_labels)


def _label_set(arrays: dict[str, NDArray[Any]], path: Path) -> LabelSet:
    if _CLASS_NAMES not in arrays:
        return FER2013
    names = arrays[_CLASS_NAMES]
    distinct = set(names.ravel().tolist())
    if names.dtype.kind != "U" or names.ndim != 1 or len(distinct) != names.size or "" in distinct:
        raise DataError(
            f"{path} has class_names that are no list of different names",
            hint="write it with save_npz",
        )
    return label_set_of(names.tolist())
