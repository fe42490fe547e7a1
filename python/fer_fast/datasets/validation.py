"""A validation split for data sets that come with train and test alone."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from fer_fast.datasets.duplicates import duplicate_groups
from fer_fast.datasets.faces import LABELS, FaceDataset, Split

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
        for count in np.bincount(dataset.labels[training], minlength=len(LABELS)).tolist()
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
