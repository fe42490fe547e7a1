"""Out-of-bag votes and credit of the native forest, held against a slow forest in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from slow_forest import SlowForest

from fer_fast._core import Forest


def rows(seed, n_rows=150, n_columns=20, n_classes=3, n_values=30):
    """Half of the columns know something of the label; values are few enough for a bin each."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_rows)
    X = rng.integers(0, n_values, (n_rows, n_columns))
    X[:, ::2] = (X[:, ::2] + 8 * (y[:, None] % 9)) // 2
    X[:, 3] = 7
    return X.astype(np.float32), y


def both(X, y, n_classes, **params):
    return Forest(X, y.astype(np.uint8), n_classes, **params), SlowForest(X, y, n_classes, **params)


@pytest.mark.parametrize(
    ("n_classes", "params"),
    [
        (3, {}),
        (2, {"max_depth": 3}),
        (7, {"min_samples_leaf": 4}),
        (9, {"draws": 60}),
        # Powers of two, so that equally pure cuts stay equal in every order of summing.
        (3, {"class_weights": [0.5, 2.0, 1.0]}),
        (40, {}),
    ],
)
def test_votes_and_credit_are_those_of_a_slow_forest(n_classes, params):
    X, y = rows(n_classes, n_classes=n_classes)
    native, slow = both(X, y, n_classes, **{"n_trees": 7, "draws": len(y), **params})
    subset = np.array([0, 1, 3, 4, 6, 9, 10, 11, 15, 18])
    rng = np.random.default_rng(1)
    for residual in (None, rng.normal(size=(len(y), n_classes))):
        probabilities, credit = native.evaluate(subset, 5, 1, residual)
        expected, expected_credit = slow.evaluate(subset, 5, residual)
        np.testing.assert_allclose(probabilities, expected, atol=1e-9)
        np.testing.assert_allclose(credit, expected_credit, rtol=1e-6, atol=1e-6)
        assert credit[list(subset).index(3)] == 0, "a constant column cuts nothing"


def test_rows_whose_twin_was_drawn_count_as_drawn():
    X, y = rows(1, n_rows=60)
    X, y = np.concatenate([X, X[:30]]), np.concatenate([y, y[:30]])
    groups = np.concatenate([np.arange(60), np.arange(30)])
    native, slow = both(X, y, 3, n_trees=9, draws=90, twin_groups=groups)
    subset = np.arange(20)
    probabilities, credit = native.evaluate(subset, 0, 1)
    expected, expected_credit = slow.evaluate(subset, 0)
    np.testing.assert_allclose(probabilities, expected, atol=1e-9)
    np.testing.assert_allclose(credit, expected_credit, atol=1e-6)
    # Twins are judged by the same trees, so they get the same votes.
    np.testing.assert_array_equal(probabilities[:30], probabilities[60:])
    np.testing.assert_array_equal(native.probabilities(subset, 0, 1), probabilities)


def test_the_votes_are_the_same_with_and_without_credit():
    X, y = rows(2, n_rows=400, n_values=1000)
    forest = Forest(X, y.astype(np.uint8), 3, n_trees=30, draws=400)
    subset = np.arange(0, 20, 2)
    plain = forest.probabilities(subset, 8, 1)
    for residual in (None, np.random.default_rng(0).normal(size=(400, 3))):
        np.testing.assert_array_equal(forest.evaluate(subset, 8, 1, residual)[0], plain)


def test_credit_is_the_same_to_the_last_bit_on_any_number_of_threads():
    X, y = rows(3, n_rows=400, n_values=1000)
    residual = np.random.default_rng(0).normal(size=(400, 3))
    forest = Forest(X, y.astype(np.uint8), 3, n_trees=100, draws=400)
    alone = forest.evaluate(np.arange(20), 4, 1, residual)
    for n_threads in (2, 3, 8):
        shared = forest.evaluate(np.arange(20), 4, n_threads, residual)
        for one, other in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_gain_adds_up_to_that_of_the_leaves_over_the_roots():
    # One tree: what its cuts gain in the true class's probability leads from root to leaf.
    X, y = rows(4, n_rows=300)
    forest = Forest(X, y.astype(np.uint8), 3, n_trees=1, draws=300)
    stump = Forest(X, y.astype(np.uint8), 3, n_trees=1, draws=300, max_depth=0)
    subset = np.arange(20)
    probabilities, credit = forest.evaluate(subset, 2, 1)
    root = stump.probabilities(subset, 2, 1)
    judged = ~np.isnan(root[:, 0])
    gain = (probabilities - root)[np.arange(300), y][judged].sum()
    assert credit.sum() == pytest.approx(gain, abs=1e-6)


def test_noise_earns_nothing_on_average():
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(600, 2))
    y = (signal.sum(axis=1) > 0).astype(np.uint8)
    X = np.hstack([signal, rng.normal(size=(600, 48))]).astype(np.float32)
    _, credit = Forest(X, y, 2, n_trees=100, draws=600).evaluate(np.arange(50), 0, 2)
    noise = credit[2:]
    assert credit[:2].min() > 20 * np.abs(noise).max()
    # In-bag decrease of impurity is never negative; out of bag, noise falls on both sides.
    assert noise.min() < 0


def test_a_residual_that_is_explained_earns_nothing():
    X, y = rows(5)
    forest = Forest(X, y.astype(np.uint8), 3, n_trees=5, draws=len(y))
    probabilities, credit = forest.evaluate(np.arange(20), 0, 1, np.zeros((len(y), 3)))
    np.testing.assert_array_equal(credit, 0)
    assert np.isfinite(probabilities).any()


def test_scored_rows_are_judged_where_there_are_any():
    X, y = rows(6, n_rows=300)
    # Training values only, each a bin of its own.
    X_scored, y_scored = X[200:], y[200:]
    forest = Forest(X[:200], y[:200].astype(np.uint8), 3, X_scored, n_trees=4, draws=200)
    subset = np.arange(20)
    residual = np.eye(3)[y_scored]
    probabilities, credit = forest.evaluate(subset, 1, 1, residual)
    root = Forest(
        X[:200], y[:200].astype(np.uint8), 3, X_scored, n_trees=4, draws=200, max_depth=0
    ).probabilities(subset, 1, 1)
    gain = 4 * (residual * (probabilities - root)).sum()
    assert credit.sum() == pytest.approx(gain, abs=1e-6)


def test_refuses_what_does_not_fit():
    X, y = rows(7)
    labels = y.astype(np.uint8)
    forest = Forest(X, labels, 3, n_trees=1, draws=10)
    subset = np.arange(20)
    with pytest.raises(ValueError, match=r"shape \(150, 2\) where \(150, 3\) was expected"):
        forest.evaluate(subset, 0, 1, np.zeros((150, 2)))
    wrong = np.zeros((150, 3))
    wrong[4, 1] = np.nan
    with pytest.raises(ValueError, match="row 4 and class 1 is NaN or infinite"):
        forest.evaluate(subset, 0, 1, wrong)
    with pytest.raises(ValueError, match="C-contiguous"):
        forest.evaluate(subset, 0, 1, np.zeros((3, 150)).T)
    scored = Forest(X, labels, 3, X, n_trees=1)
    with pytest.raises(ValueError, match="no labels here: give a residual"):
        scored.evaluate(subset, 0, 1)
    for groups in (np.zeros(149, np.int64), np.full(150, 150), np.full(150, -1)):
        with pytest.raises(ValueError, match="one group of twins for each of 150 rows"):
            Forest(X, labels, 3, n_trees=1, twin_groups=groups)
