"""Parting rows: each class' share in every part, equal images on one side."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import duplicate_groups

_TRAINING_ROWS_PER_VALIDATION_ROW = 9
"""FER-2013's own (Training + PublicTest) / PublicTest."""


def with_validation_split(dataset: FaceDataset) -> FaceDataset:
    """Move a stratified ninth of the training rows to PublicTest.

    Equal images stay on one side. Which ones move depends on the images alone (they are taken in
    the order of their SHA-256), neither on their order in the data set nor on a random generator.
    A label of two to eight rows gives one.

    Parameters
    ----------
    dataset : FaceDataset
        A data set without PublicTest rows.

    Returns
    -------
    FaceDataset
        The same rows in the same order, with new splits.
    """
    training = dataset.rows(Split.TRAINING)
    _, first, group, sizes = np.unique(
        duplicate_groups(dataset)[training],
        return_index=True,
        return_inverse=True,
        return_counts=True,
    )
    examples = training[first]
    room = [
        max(count // _TRAINING_ROWS_PER_VALIDATION_ROW, int(count > 1))
        for count in np.bincount(
            dataset.labels[training], minlength=len(dataset.label_set)
        ).tolist()
    ]
    digests = [hashlib.sha256(dataset.pixels[row].tobytes()).digest() for row in examples]
    moves = np.zeros(len(examples), dtype=bool)
    for candidate in sorted(range(len(examples)), key=digests.__getitem__):
        label = dataset.labels[examples[candidate]]
        if sizes[candidate] <= room[label]:
            moves[candidate] = True
            room[label] -= sizes[candidate]
    splits = dataset.splits.copy()
    splits[training[moves[group]]] = Split.PUBLIC_TEST
    return replace(dataset, splits=splits)


def stratified_parts(
    y: NDArray[Any], n_first: int, *, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Part rows by chance, with each class' share in both parts.

    A class of a single row, which scikit-learn's `train_test_split` refuses, is in the first part.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class labels.
    n_first : int
        Rows of the first part.
    random_state : int

    Returns
    -------
    first : ndarray of shape (n_first,), intp
    second : ndarray of shape (n_rows - n_first,), intp

    Raises
    ------
    ParameterError
        If a part has no room for a row of each class.
    """
    _, class_of, sizes = np.unique(y, return_inverse=True, return_counts=True)
    is_lone = sizes[class_of] == 1
    lone, others = np.flatnonzero(is_lone), np.flatnonzero(~is_lone)
    n_divided = len(sizes) - len(lone)
    least, most = len(sizes), len(y) - n_divided
    if not n_divided or not least <= n_first <= most:
        raise ParameterError(
            f"{n_first:,} of {len(y):,} rows cannot be drawn class by class",
            hint=f"draw {least:,} to {most:,}, so that both parts have room for each class, or all",
        )
    first, second = train_test_split(
        others, train_size=n_first - len(lone), stratify=y[others], random_state=random_state
    )
    return np.concatenate([lone, first]), second
