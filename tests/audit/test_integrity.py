"""The audit's counts against data whose faults are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fer_fast.audit.integrity import NEAR, check_integrity, near_duplicates
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.loading import load_faces


@pytest.fixture
def dataset() -> FaceDataset:
    """Return 60 smooth images that have nothing in common, 20 in each split."""
    noise = np.random.default_rng(5).normal(size=(60, 48, 48))
    smooth = np.stack([gaussian_filter(image, 2) for image in noise])
    pixels = (128 + 300 * smooth).clip(0, 255).astype(np.uint8)
    labels = (np.arange(60) % 7).astype(np.uint8)
    return FaceDataset(pixels, labels, np.repeat(list(Split), 20).astype(np.uint8), "smooth")


def changed(dataset: FaceDataset, rows: dict[int, object], **more: object) -> FaceDataset:
    pixels = dataset.pixels.copy()
    for row, image in rows.items():
        pixels[row] = image
    return replace(dataset, pixels=pixels, **more)


def test_clean_data_have_no_faults(dataset: FaceDataset) -> None:
    found = check_integrity(dataset)
    assert found.faces == 60
    assert (found.redundant, found.near, found.conflicting, found.blank) == (0, 0, 0, 0)
    assert not any(found.shared.values())
    assert not any(found.near_shared.values())


def test_blank_images_alone_are_counted(dataset: FaceDataset) -> None:
    found = check_integrity(changed(dataset, {row: row for row in range(60)}))
    assert (found.blank, found.near, found.redundant) == (60, 0, 0)


def test_planted_faults_are_counted(dataset: FaceDataset) -> None:
    labels = dataset.labels.copy()
    labels[[1, 21]] = labels[0]
    labels[41] = (labels[2] + 1) % 7
    face, other = dataset.pixels[0], dataset.pixels[2]
    found = check_integrity(
        changed(dataset, {1: face, 21: face, 41: other, 50: 0, 51: 255}, labels=labels)
    )
    assert found.redundant == 3
    assert found.shared == {Split.TRAINING: 3, Split.PUBLIC_TEST: 1, Split.PRIVATE_TEST: 1}
    assert (found.conflicting, found.conflicting_images) == (2, 1)
    assert found.blank == 2
    assert found.near == 0


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("darker", lambda face: (face * 0.7).astype(np.uint8)),
        ("mirrored", lambda face: face[:, ::-1]),
        ("one pixel", lambda face: np.where(np.arange(48 * 48).reshape(48, 48) == 7, 255, face)),
    ],
)
def test_a_picture_that_was_edited_is_a_near_duplicate(
    dataset: FaceDataset, name: str, edit: object
) -> None:
    edited = changed(dataset, {45: edit(dataset.pixels[3])})  # type: ignore[operator]
    assert near_duplicates(edited).tolist() == [[3, 45]], name
    found = check_integrity(edited)
    assert found.near == 2
    assert found.near_shared == {Split.TRAINING: 1, Split.PUBLIC_TEST: 0, Split.PRIVATE_TEST: 1}
    assert found.redundant == 0


def test_near_duplicates_are_those_of_all_pairs(dataset: FaceDataset) -> None:
    rng = np.random.default_rng(8)
    noisy = {
        30 + i: (dataset.pixels[i] + rng.normal(0, 3 + i, (48, 48))).clip(0, 255) for i in range(12)
    }
    edited = changed(dataset, noisy)
    expected = set()
    for other in (edited.pixels, edited.pixels[:, :, ::-1]):
        for i in range(60):
            for j in range(i + 1, 60):
                if np.corrcoef(edited.pixels[i].ravel(), other[j].ravel())[0, 1] >= NEAR:
                    expected.add((i, j))
    assert {tuple(pair) for pair in near_duplicates(edited).tolist()} == expected
    assert 0 < len(expected) < 12


@pytest.mark.real_data
def test_fer2013s_held_out_splits_have_near_duplicates_in_each_other(fer2013: Path) -> None:
    dataset = load_faces(fer2013)
    rows = dataset.splits != Split.TRAINING
    pixels, splits = dataset.pixels[rows], dataset.splits[rows]
    pairs = near_duplicates(replace(dataset, pixels=pixels, labels=splits, splits=splits))
    across = pairs[splits[pairs[:, 0]] != splits[pairs[:, 1]]]
    assert len(across) > 0
    for first, second in across:
        face, other = pixels[first], pixels[second]
        assert not np.array_equal(face, other)
        turns = (other, other[:, ::-1])
        assert max(np.corrcoef(face.ravel(), turn.ravel())[0, 1] for turn in turns) >= NEAR - 1e-6
