"""A forest in ONNX says what the forest says."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import Split
from fer_fast.faces.loading import load_faces
from fer_fast.forest.hist_forest import HistForestClassifier
from fer_fast.graph.trees import to_onnx

KINDS = (HistForestClassifier, RandomForestClassifier)


def said(model: Any, X: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (probabilities,) = session.run(None, {"features": X.astype(np.float32)})
    return probabilities


@settings(max_examples=40)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**16),
    n_rows=st.integers(2, 120),
    n_columns=st.integers(1, 9),
    n_classes=st.integers(1, 12),
    n_values=st.sampled_from([1, 2, 5, 1000]),
    depth=st.sampled_from([1, 3, None]),
    missing=st.booleans(),
)
def test_it_predicts_the_same(kind, seed, n_rows, n_columns, n_classes, n_values, depth, missing):
    rng = np.random.default_rng(seed)
    # Values in steps of a third meet their own thresholds, which lie between float32's.
    X = rng.integers(0, n_values, (n_rows, n_columns)).astype(np.float32) / 3
    y = rng.integers(0, n_classes, n_rows)
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    forest = kind(5, max_depth=depth, random_state=seed).fit(X, y)
    fresh = rng.integers(0, n_values + 1, (200, n_columns)).astype(np.float32) / 3
    rows = np.concatenate([X, fresh])
    np.testing.assert_allclose(said(to_onnx(forest), rows), forest.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_between_neighbouring_floats_flip_no_leaf(kind):
    steps = np.float32(1) + np.arange(64, dtype=np.float32) * np.spacing(np.float32(1))
    X, y = steps[:, None], np.arange(64) % 2
    forest = kind(20, random_state=0).fit(X, y)
    np.testing.assert_allclose(said(to_onnx(forest), X), forest.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_classes_stand_in_the_columns_that_are_asked_for(kind):
    X, y = load_digits(return_X_y=True)
    forest = kind(5, random_state=0).fit(X, y)
    columns = [11, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    probabilities = said(to_onnx(forest, targets=columns, n_targets=12), X)
    np.testing.assert_allclose(probabilities[:, columns], forest.predict_proba(X), atol=1e-6)
    assert not probabilities[:, [9, 10]].any()
    with pytest.raises(ParameterError, match="a column of its own"):
        to_onnx(forest, targets=columns, n_targets=11)


@pytest.mark.parametrize("kind", KINDS)
def test_a_forest_of_pure_leaves_takes_little(kind):
    X, y = load_digits(return_X_y=True)
    forest = kind(20, random_state=0).fit(X, y)
    model = to_onnx(forest)
    ensemble = model.graph.node[0]
    size = model.ByteSize()
    (left,) = (a.ints for a in ensemble.attribute if a.name == "nodes_truenodeids")
    # Of a binary tree's nodes, one more than half are leaves.
    n_nodes = 2 * len(left) + forest.n_estimators
    assert size < 13 * n_nodes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [None, 6])
def test_many_trees_add_up_without_losing_a_digit(kind, depth):
    X, y = load_digits(return_X_y=True)
    forest = kind(300, max_depth=depth, random_state=0).fit(X, y)
    np.testing.assert_allclose(said(to_onnx(forest), X), forest.predict_proba(X), atol=1e-6)


@pytest.mark.real_data
@pytest.mark.parametrize("kind", KINDS)
def test_every_private_test_row_gets_the_forests_probabilities(kind, fer2013):
    faces = load_faces(fer2013)
    X = faces.pixels.reshape(len(faces), -1).astype(np.float32)
    train = faces.rows(Split.TRAINING)[:6_000]
    test = faces.rows(Split.PRIVATE_TEST)
    forest = kind(90, random_state=0, n_jobs=2).fit(X[train], faces.labels[train])
    expected = forest.predict_proba(X[test])
    assert len(expected) == 3_589
    np.testing.assert_allclose(said(to_onnx(forest), X[test]), expected, atol=1e-6)
