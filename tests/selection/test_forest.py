"""The native forest: its trees against scikit-learn's, its votes, its determinism, its stops."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_class_weight

from fer_fast import EvaluationCut, ForestFitness
from fer_fast._core import Forest


def single_tree(X_train, y_train, X_scored, subset=None, **params):
    """One tree on all rows, none drawn twice."""
    n_classes = int(y_train.max()) + 1
    forest = Forest(
        X_train.astype(np.float32),
        y_train.astype(np.uint8),
        n_classes,
        X_scored.astype(np.float32),
        n_trees=1,
        **params,
    )
    subset = np.arange(X_train.shape[1]) if subset is None else np.asarray(subset)
    return forest.probabilities(subset, 0, 1)


def test_tree_computed_by_hand():
    # Cut at 2.5 leaves sides (2, 0) and (1, 3): purity 4/2 + 10/4 = 4.5, the best; then at 4.5.
    X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    y = np.array([0, 0, 1, 1, 0, 1])
    scored = np.array([[0.0], [2.4], [2.6], [4.4], [5.4], [5.6], [9.0]])
    stump = single_tree(X, y, scored, max_depth=1)
    np.testing.assert_allclose(stump[:, 0], [1, 1, 0.25, 0.25, 0.25, 0.25, 0.25])
    grown = single_tree(X, y, scored)
    np.testing.assert_allclose(grown[:, 1], [0, 0, 1, 1, 0, 1, 1])


@pytest.mark.parametrize("n_classes", [2, 7, 9, 40])
@pytest.mark.parametrize(
    "params", [{}, {"max_depth": 3}, {"min_samples_leaf": 7}, {"class_weight": "balanced"}]
)
def test_single_feature_tree_equals_scikit_learns(n_classes, params):
    rng = np.random.default_rng(n_classes)
    X = rng.integers(0, 60, size=(900, 1)).astype(np.float32)
    y = (X[:, 0] * n_classes / 60 + rng.normal(size=900)).astype(int) % n_classes
    scored = np.arange(60, dtype=np.float32)[:, None]
    reference = DecisionTreeClassifier(**params, random_state=0).fit(X, y)
    mine = dict(params)
    if mine.pop("class_weight", None):
        mine["class_weights"] = compute_class_weight("balanced", classes=np.unique(y), y=y)
    np.testing.assert_allclose(
        single_tree(X, y, scored, **mine), reference.predict_proba(scored), atol=1e-9
    )


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(3, 60), st.integers(1, 40), st.integers(2, 5))
def test_full_growth_is_pure_on_its_own_rows(seed, n_rows, n_features, n_classes):
    rng = np.random.default_rng(seed)
    X = np.maximum(rng.normal(-0.5, 1, size=(n_rows, n_features)), 0).astype(np.float32)
    y = rng.integers(0, n_classes, size=n_rows)
    y[:n_classes] = np.arange(n_classes)[: len(y[:n_classes])]
    probabilities = single_tree(X, y, X)
    _, twin = np.unique(X, axis=0, return_inverse=True)
    for row in range(n_rows):
        # A leaf holds equal rows alone, or rows of one class.
        same = y[twin == twin[row]]
        shares = np.bincount(same, minlength=probabilities.shape[1]) / len(same)
        np.testing.assert_allclose(probabilities[row], shares, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_moving_columns_together_with_the_subset_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    X = np.maximum(rng.normal(size=(120, 25)), 0).astype(np.float32)
    y = rng.integers(0, 3, size=120).astype(np.uint8)
    subset = np.flatnonzero(rng.random(25) < 0.6)
    place = rng.permutation(25)
    moved = np.empty_like(X)
    moved[:, place] = X
    params = {"n_trees": 5, "draws": 120}
    straight = Forest(X[:90], y[:90], 3, X[90:], **params).probabilities(subset, seed, 1)
    crossed = Forest(moved[:90], y[:90], 3, moved[90:], **params)
    np.testing.assert_array_equal(crossed.probabilities(place[subset], seed, 1), straight)


def test_columns_outside_the_subset_do_not_matter():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 20)).astype(np.float32)
    y = rng.integers(0, 3, size=150).astype(np.uint8)
    subset = np.arange(0, 20, 2)
    params = {"n_trees": 8, "draws": 100}
    whole = Forest(X[:100], y[:100], 3, X[100:], **params).probabilities(subset, 4, 1)
    alone = np.ascontiguousarray(X[:, subset])
    part = Forest(alone[:100], y[:100], 3, alone[100:], **params)
    np.testing.assert_array_equal(part.probabilities(np.arange(10), 4, 1), whole)


def test_constant_columns_never_split():
    # Of 900 columns a node draws 30; the one that varies is nearly always beyond them. Its values
    # are few enough for a bin each, so that every row can be told apart.
    rng = np.random.default_rng(1)
    X = np.full((60, 900), 3.0, dtype=np.float32)
    X[:, 617] = rng.permutation(60)
    y = rng.integers(0, 3, size=60)
    np.testing.assert_array_equal(single_tree(X, y, X).argmax(axis=1), y)
    X[:, 617] = 3.0
    shares = np.bincount(y) / 60
    np.testing.assert_allclose(single_tree(X, y, X), np.tile(shares, (60, 1)), atol=1e-9)


def test_same_seed_same_votes_on_any_number_of_threads():
    X, y = make_classification(500, 40, n_informative=10, n_classes=3, random_state=0)
    X, y = X.astype(np.float32), y.astype(np.uint8)
    for scored in (X[400:], None):
        forest = Forest(X[:400], y[:400], 3, scored, n_trees=70, draws=400)
        alone = forest.probabilities(np.arange(40), 9, 1)
        for n_threads in (2, 4, -1):
            shared = forest.probabilities(np.arange(40), 9, n_threads)
            np.testing.assert_array_equal(shared, alone)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_as_accurate_as_scikit_learns_forest(load):
    X, y = load(return_X_y=True)
    X = X.astype(np.float32)
    native, reference = [], []
    for seed in range(4):
        X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.4, random_state=seed)
        fitness = ForestFitness(
            X_train, y_train, X_val, y_val, scoring="accuracy", random_state=seed
        )
        native.append(fitness(np.arange(X.shape[1])))
        forest = RandomForestClassifier(90, random_state=seed).fit(X_train, y_train)
        reference.append(forest.score(X_val, y_val))
    assert np.mean(native) == pytest.approx(np.mean(reference), abs=0.015)


def test_binned_rows_take_little_more_than_a_byte_a_cell():
    X = np.random.default_rng(0).normal(size=(20_000, 30)).astype(np.float32)
    y = np.zeros(20_000, dtype=np.uint8)
    forest = Forest(X, y, 1, n_trees=1)
    assert X.size <= forest.n_bytes <= 1.1 * X.size


def test_layout_of_the_rows_does_not_matter():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 12)).astype(np.float32)
    y = rng.integers(0, 3, size=90)
    subset = np.arange(12)
    plain = ForestFitness(X[:60], y[:60], X[60:], y[60:]).predict_proba(subset)
    crossed = np.asfortranarray(X)
    fitness = ForestFitness(crossed[:60], y[:60], crossed[60:], y[60:])
    np.testing.assert_array_equal(fitness.predict_proba(subset), plain)
    packed = np.zeros(90, dtype=[("id", np.uint8), ("row", np.float32, 12)])
    packed["row"] = X
    indices = np.zeros(12, dtype=[("id", np.uint8), ("index", np.int64)])
    indices["index"] = subset
    for rows in (packed["row"], np.frombuffer(b"." + X.tobytes(), np.uint8)[1:].view(np.float32)):
        rows = rows.reshape(X.shape)
        fitness = ForestFitness(rows[:60], y[:60], rows[60:], y[60:])
        np.testing.assert_array_equal(fitness.predict_proba(indices["index"]), plain)
    with pytest.raises(ValueError, match="C-contiguous"):
        Forest(np.asfortranarray(X), y.astype(np.uint8), 3, n_trees=1)


@pytest.fixture
def endless():
    """A fitness whose evaluation would take an hour."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 100)).astype(np.float32)
    y = rng.integers(0, 5, size=2_000)
    return ForestFitness(X, y, X[:500], y[:500], n_estimators=200_000)


def test_deadline_cuts_an_evaluation_under_way(endless):
    endless.deadline = time.monotonic() + 0.3
    with pytest.raises(EvaluationCut):
        endless(np.arange(100))


def test_moving_the_deadline_cuts_evaluations_of_other_threads(endless):
    outcomes = []

    def evaluate():
        try:
            endless(np.arange(100))
        except EvaluationCut:
            outcomes.append("cut")

    threads = [threading.Thread(target=evaluate) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert all(thread.is_alive() for thread in threads)
    endless.deadline = time.monotonic()
    for thread in threads:
        thread.join()
    assert outcomes == ["cut", "cut"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_interrupt_ends_an_evaluation_under_way():
    script = """
import numpy as np
from fer_fast import ForestFitness
rng = np.random.default_rng(0)
X = rng.normal(size=(2_000, 100)).astype(np.float32)
y = rng.integers(0, 5, size=2_000)
fitness = ForestFitness(X, y, X[:500], y[:500], n_estimators=200_000)
try:
    print("ready", flush=True)
    fitness(np.arange(100))
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("interrupted\n", "", 0)
