"""What is wrong inside a data set: the same image twice, blank images, labels that disagree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import FACE_SIDE, FaceDataset, Split

_BLOCK = 8192
"""Images compared at a time."""


def duplicate_groups(dataset: FaceDataset) -> NDArray[np.intp]:
    """Return for each face the number of its image, equal images having the same.

    Returns
    -------
    ndarray of shape (n_faces,), intp
        Two faces have the same number exactly if their pixels are the same; numbers run from 0 to
        the count of distinct images minus one.
    """
    image = np.dtype((np.void, FACE_SIDE * FACE_SIDE))
    images = np.ascontiguousarray(dataset.pixels).reshape(-1).view(image)
    order = images.argsort(kind="stable")
    # As `numpy.unique` numbers them, without its copy of all images.
    is_new = np.ones(len(order), bool)
    for start in range(1, len(order), _BLOCK):
        rows = order[start - 1 : start + _BLOCK]
        is_new[start : start + _BLOCK] = images[rows[1:]] != images[rows[:-1]]
    groups = np.empty(len(order), np.intp)
    groups[order] = np.cumsum(is_new) - 1
    return groups


def shared_across_splits(dataset: FaceDataset) -> NDArray[np.bool_]:
    """Tell which faces' exact image stands in another split too.

    Returns
    -------
    ndarray of shape (n_faces,), bool
    """
    return _varies_within_groups(dataset, dataset.splits, len(Split))


def own_rows(dataset: FaceDataset, split: Split) -> NDArray[np.intp]:
    """Return the rows of one split whose exact image does not stand in Training.

    A classifier may know the others by heart: what it says of them is memory.

    Returns
    -------
    ndarray of shape (n_own,), intp
        Ascending.

    Raises
    ------
    ParameterError
        If `split` is Training itself.
    """
    if split is Split.TRAINING:
        raise ParameterError(
            "own rows are those outside Training",
            hint="ask for another split's",
        )
    groups = duplicate_groups(dataset)
    rows = dataset.rows(split)
    learnt = np.isin(groups[rows], groups[dataset.rows(Split.TRAINING)])
    own: NDArray[np.intp] = rows[~learnt]
    return own


def deciding_rows(dataset: FaceDataset) -> NDArray[np.intp]:
    """Return the PublicTest rows by which to decide: its own, or if it has none, all.

    Where all stand in Training, memory is better than nothing.

    Returns
    -------
    ndarray of shape (n_deciding,), intp
        Ascending.
    """
    own = own_rows(dataset, Split.PUBLIC_TEST)
    return own if len(own) else dataset.rows(Split.PUBLIC_TEST)


def conflicting_labels(dataset: FaceDataset) -> NDArray[np.bool_]:
    """Tell which faces' exact image stands in the data set under another label too.

    Returns
    -------
    ndarray of shape (n_faces,), bool
    """
    return _varies_within_groups(dataset, dataset.labels, len(dataset.label_set))


def blank_images(dataset: FaceDataset) -> NDArray[np.bool_]:
    """Tell which faces are one even tone, hence no face.

    Returns
    -------
    ndarray of shape (n_faces,), bool
    """
    blank: NDArray[np.bool_] = np.ptp(dataset.pixels, axis=(1, 2)) == 0
    return blank


def _varies_within_groups(
    dataset: FaceDataset, values: NDArray[np.uint8], n_values: int
) -> NDArray[np.bool_]:
    groups = duplicate_groups(dataset)
    seen = np.zeros((len(dataset), n_values), dtype=bool)
    seen[groups, values] = True
    varies: NDArray[np.bool_] = seen.sum(axis=1)[groups] > 1
    return varies
