"""The protocols flatter as they are said to."""

from __future__ import annotations

import numpy as np

from fer_fast.audit.protocols import compare_protocols
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.settings import ForestSettings


def test_features_that_say_nothing_score_well_only_where_test_rows_leak() -> None:
    rng = np.random.default_rng(0)
    n = 900
    # A rare class and a common one each, as in FER-2013, and features without any information.
    labels = rng.choice(7, n, p=[0.4, 0.03, 0.1, 0.2, 0.1, 0.07, 0.1]).astype(np.uint8)
    splits = np.repeat(list(Split), [700, 100, 100]).astype(np.uint8)
    dataset = FaceDataset(np.zeros((n, 48, 48), np.uint8), labels, splits, "noise")
    X = rng.normal(size=(n, 12)).astype(np.float32)
    plain, smote, test_too, random_split = compare_protocols(X, dataset, ForestSettings(trees=30))
    chance = np.bincount(labels).max() / n
    assert plain.scores.rows == smote.scores.rows == 100
    assert plain.scores.accuracy < chance + 0.1
    assert smote.scores.accuracy < chance + 0.1
    largest = np.bincount(labels[dataset.rows(Split.PRIVATE_TEST)]).max()
    assert test_too.scores.rows == 7 * largest
    assert random_split.scores.accuracy > chance + 0.3
    assert [p.verdict.split(":")[0] for p in (plain, smote, test_too, random_split)] == [
        "Honest",
        "Honest",
        "Wrong",
        "Wrong",
    ]


def test_a_class_of_one_face_is_fitted_and_not_tested() -> None:
    rng = np.random.default_rng(1)
    labels = np.array([6, *rng.integers(0, 3, 119)], np.uint8)
    splits = np.repeat(list(Split), [80, 20, 20]).astype(np.uint8)
    dataset = FaceDataset(np.zeros((120, 48, 48), np.uint8), labels, splits, "one")
    X = rng.normal(size=(120, 4)).astype(np.float32)
    scores = compare_protocols(X, dataset, ForestSettings(trees=5))[-1].scores
    largest = np.bincount(labels).max()
    assert scores.rows == -(-(3 * largest + 1) // 5)
    assert scores.per_class["neutral"].support == 0
