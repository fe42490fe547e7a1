"""Duplicates and conflicts against a plain dictionary, and on FER-2013 itself."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_fast.errors import ParameterError
from fer_fast.faces import duplicates
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import (
    blank_images,
    conflicting_labels,
    duplicate_groups,
    own_rows,
    shared_across_splits,
)
from fer_fast.faces.loading import load_faces

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 2)), max_size=25)


def dataset_of(rows) -> FaceDataset:
    """Return faces that differ in their last pixel alone, from (image, label, split) triples."""
    images, labels, splits = np.array(rows, np.uint8).reshape(-1, 3).T
    pixels = np.zeros((len(rows), 48, 48), np.uint8)
    pixels[:, -1, -1] = images
    return FaceDataset(pixels, labels, splits, "drawn rows")


@given(ROWS)
def test_agree_with_a_dictionary(rows):
    dataset = dataset_of(rows)
    splits_of, labels_of = defaultdict(set), defaultdict(set)
    for image, label, split in rows:
        splits_of[image].add(split)
        labels_of[image].add(label)
    shared = [len(splits_of[image]) > 1 for image, _, _ in rows]
    conflicting = [len(labels_of[image]) > 1 for image, _, _ in rows]
    assert shared_across_splits(dataset).tolist() == shared
    assert conflicting_labels(dataset).tolist() == conflicting
    assert blank_images(dataset).tolist() == [image == 0 for image, _, _ in rows]
    groups = duplicate_groups(dataset).tolist()
    pairs = {(image, group) for (image, _, _), group in zip(rows, groups, strict=True)}
    assert len(pairs) == len(set(groups)) == len(splits_of)
    assert set(groups) == set(range(len(splits_of)))


@given(ROWS, st.integers(1, 5))
def test_images_compared_in_blocks_are_numbered_as_numpy_numbers_them(rows, block):
    dataset = dataset_of(rows)
    before, duplicates._BLOCK = duplicates._BLOCK, block
    try:
        groups = duplicate_groups(dataset)
    finally:
        duplicates._BLOCK = before
    expected = np.unique(dataset.pixels.reshape(-1, 48 * 48), axis=0, return_inverse=True)[1]
    assert groups.tolist() == expected.ravel().tolist()


@pytest.mark.real_data
def test_fer2013s_own_flaws(fer2013):
    dataset = load_faces(fer2013)
    assert [len(dataset.rows(split)) for split in Split] == [28709, 3589, 3589]
    groups = duplicate_groups(dataset)
    assert len(dataset) - len(np.unique(groups)) == 1853
    shared = shared_across_splits(dataset)
    assert np.count_nonzero(shared[dataset.rows(Split.PRIVATE_TEST)]) == 314
    assert len(np.unique(groups[conflicting_labels(dataset)])) == 57
    assert np.count_nonzero(blank_images(dataset)) == 12
    assert not dataset.pixels[blank_images(dataset)].any()


@given(ROWS)
def test_own_rows_are_those_that_training_does_not_hold(rows):
    dataset = dataset_of(rows)
    trained = {image for image, _, split in rows if split == Split.TRAINING}
    for split in (Split.PUBLIC_TEST, Split.PRIVATE_TEST):
        expected = [
            i for i, (image, _, s) in enumerate(rows) if s == split and image not in trained
        ]
        assert own_rows(dataset, split).tolist() == expected
    with pytest.raises(ParameterError, match="outside Training"):
        own_rows(dataset, Split.TRAINING)
