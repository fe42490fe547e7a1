"""HistForestClassifier against scikit-learn's trees and forests, and against its own promises."""

from __future__ import annotations

import copy
import pickle
import signal
import subprocess
import sys
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from fer_fast.errors import DataError, ParameterError
from fer_fast.forest import HistForestClassifier


def one_tree(**params):
    """One tree on all rows that looks at all columns."""
    return HistForestClassifier(1, bootstrap=False, max_features=None, random_state=0, **params)


def one_column(seed, n_rows=500, n_classes=4):
    """One column of few values and labels that depend on it loosely."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 60, size=(n_rows, 1)).astype(np.float64)
    y = (X[:, 0] * n_classes / 60 + rng.normal(size=n_rows)).astype(int) % n_classes
    return X, y


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        600, 30, n_informative=8, n_classes=3, class_sep=0.8, shuffle=False, random_state=0
    )
    order = np.random.default_rng(0).permutation(600)
    return X[order].astype(np.float32), y[order]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"max_depth": 3},
        {"min_samples_leaf": 9},
        {"min_samples_leaf": 0.03},
        {"min_samples_split": 40},
        {"min_samples_split": 0.2},
        {"min_weight_fraction_leaf": 0.06},
        {"class_weight": "balanced"},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5, 3: 4.0}},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_a_tree_of_one_column_is_scikit_learns(params, weighted, missing):
    X, y = one_column(1)
    rng = np.random.default_rng(2)
    if missing:
        X[rng.random(len(X)) < 0.15] = np.nan
    # Quarters are exact in binary, so equally pure splits stay equal.
    weights = rng.integers(0, 9, len(X)) / 4 if weighted else None
    mine = one_tree(**params).fit(X, y, weights)
    if params == {"class_weight": "balanced"}:
        # scikit-learn counts rows here, whatever they weigh.
        params = {"class_weight": dict(enumerate(1 / np.bincount(y, weights)))}
    reference = DecisionTreeClassifier(random_state=0, **params).fit(X, y, weights)
    asked = np.concatenate([np.arange(-1, 61, 0.5), [np.nan]])[:, None]
    np.testing.assert_allclose(mine.predict_proba(asked), reference.predict_proba(asked), atol=1e-6)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 12), st.integers(2, 5))
def test_full_growth_fits_its_own_rows_whatever_is_missing(seed, n_rows, n_columns, n_classes):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 6, size=(n_rows, n_columns)).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = np.nan
    y = rng.integers(0, n_classes, size=n_rows)
    forest = HistForestClassifier(3, bootstrap=False, random_state=seed % 100).fit(X, y)
    probabilities = forest.predict_proba(X)
    _, twin = np.unique(np.nan_to_num(X, nan=-1), axis=0, return_inverse=True)
    for row in range(n_rows):
        # A leaf holds equal rows alone, or rows of one class.
        same = y[twin == twin[row]]
        shares = [np.mean(same == label) for label in forest.classes_]
        np.testing.assert_allclose(probabilities[row], shares, atol=1e-6)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_digits])
def test_as_accurate_as_scikit_learns_forest(load):
    X, y = load(return_X_y=True)
    scores = {HistForestClassifier: [], RandomForestClassifier: []}
    for seed in range(4):
        X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.4, random_state=seed)
        for forest, values in scores.items():
            fitted = forest(60, random_state=seed).fit(X_train, y_train)
            values.append(fitted.score(X_val, y_val))
    mine, reference = (np.mean(values) for values in scores.values())
    assert mine == pytest.approx(reference, abs=0.015)


def test_the_forest_is_the_same_on_any_number_of_threads(rows):
    def fit(n_jobs):
        return HistForestClassifier(70, oob_score=True, random_state=3, n_jobs=n_jobs).fit(*rows)

    alone = fit(None)
    for n_jobs in (2, 5, -1):
        shared = fit(n_jobs)
        for mine, other in zip(alone._trees.to_parts(), shared._trees.to_parts(), strict=True):
            np.testing.assert_array_equal(mine, other)
        for name in (
            "feature_importances_",
            "oob_feature_importances_",
            "oob_decision_function_",
        ):
            np.testing.assert_array_equal(getattr(alone, name), getattr(shared, name))
        np.testing.assert_array_equal(alone.predict_proba(rows[0]), shared.predict_proba(rows[0]))


def test_the_order_of_the_rows_does_not_matter(rows):
    X, y = rows
    order = np.random.default_rng(1).permutation(len(y))
    straight = HistForestClassifier(20, oob_score=True, random_state=0).fit(X, y)
    crossed = HistForestClassifier(20, oob_score=True, random_state=0).fit(X[order], y[order])
    np.testing.assert_array_equal(straight.predict_proba(X), crossed.predict_proba(X))
    np.testing.assert_array_equal(
        straight.oob_decision_function_[order], crossed.oob_decision_function_
    )


@pytest.mark.parametrize("params", [{}, {"bootstrap": False}, {"max_samples": 0.7}])
def test_a_row_of_whole_weight_is_as_good_as_so_many_rows(params):
    rng = np.random.default_rng(5)
    X, y = rng.integers(0, 40, (150, 8)), rng.integers(0, 3, 150)
    counts = rng.integers(0, 4, 150)
    weighted = HistForestClassifier(15, random_state=0, **params).fit(X, y, counts)
    repeated = HistForestClassifier(15, random_state=0, **params)
    repeated.fit(X.repeat(counts, axis=0), y.repeat(counts))
    np.testing.assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))


def test_rows_of_no_weight_are_scored_by_every_tree(rows):
    X, y = rows
    weights = np.where(np.arange(len(y)) < 400, 1.0, 0.0)
    forest = HistForestClassifier(30, oob_score=True, random_state=0).fit(X, y, weights)
    alone = HistForestClassifier(30, oob_score=True, random_state=0).fit(X[:400], y[:400])
    np.testing.assert_array_equal(forest.predict_proba(X), alone.predict_proba(X))
    decision = forest.oob_decision_function_
    np.testing.assert_array_equal(decision[:400], alone.oob_decision_function_)
    np.testing.assert_array_equal(decision[400:], alone.predict_proba(X[400:]))


def test_classes_that_weigh_more_are_predicted_more_often(rows):
    X, y = rows
    for weight in ({2: 20.0}, "balanced", "balanced_subsample"):
        thinned = np.flatnonzero((y != 2) | (np.arange(len(y)) % 8 == 0))
        params = {"n_estimators": 40, "min_samples_leaf": 10, "random_state": 0}
        plain = HistForestClassifier(**params).fit(X[thinned], y[thinned])
        weighted = HistForestClassifier(class_weight=weight, **params).fit(X[thinned], y[thinned])
        gain = weighted.predict_proba(X)[:, 2] - plain.predict_proba(X)[:, 2]
        assert gain.mean() > 0.05


def test_importances_are_the_decrease_of_impurity_over_the_rows_of_the_kept_trees(rows):
    X, y = rows
    forest = HistForestClassifier(6, bootstrap=False, max_depth=6, random_state=0).fit(X, y)
    nodes, starts, _, _ = forest._trees.to_parts()
    total = np.zeros(X.shape[1])
    for start, end in pairwise(starts):
        total += decreases(nodes[start:end], X, y)
    np.testing.assert_allclose(forest.feature_importances_, total / total.sum(), atol=1e-9)
    assert forest.feature_importances_.sum() == pytest.approx(1)


def decreases(nodes, X, y):
    """Each column's share in what a tree's splits take from Gini's impurity, row by row."""

    def impurity(inside):
        shares = np.bincount(y[inside]) / max(inside.sum(), 1)
        return inside.sum() * (1 - (shares**2).sum())

    earned = np.zeros(X.shape[1])
    open_nodes = [(0, np.ones(len(y), dtype=bool))]
    while open_nodes:
        place, inside = open_nodes.pop()
        threshold, column, right = nodes[place]
        if column >= 2**31:
            continue
        column &= 2**30 - 1
        left = inside & (X[:, column] <= threshold.view(np.float32))
        earned[column] += impurity(inside) - impurity(left) - impurity(inside & ~left)
        open_nodes += [(place + 1, left), (place + right, inside & ~left)]
    return earned / earned.sum()


def test_out_of_bag_importances_add_up_to_what_leaves_gain_over_roots(rows):
    X, y = rows
    params = {"n_estimators": 1, "oob_score": True, "random_state": 4}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
        forest = HistForestClassifier(**params).fit(X, y)
        root = HistForestClassifier(min_samples_split=len(y), **params).fit(X, y)
    judged = ~np.isnan(forest.oob_decision_function_[:, 0])
    gain = forest.oob_decision_function_ - root.oob_decision_function_
    mean = gain[np.arange(len(y)), y][judged].mean()
    assert forest.oob_feature_importances_.sum() == pytest.approx(mean, abs=1e-6)
    # A tree judges rows that it did not draw as it would any other.
    np.testing.assert_allclose(
        forest.oob_decision_function_[judged], forest.predict_proba(X)[judged], atol=1e-6
    )


def test_out_of_bag_importances_do_not_flatter_noise(rows):
    X, y = rows
    forest = HistForestClassifier(100, oob_score=True, random_state=0).fit(X, y)
    noise = slice(12, None)
    assert forest.feature_importances_[noise].min() > 0.01
    earned = forest.oob_feature_importances_
    assert np.abs(earned[noise]).max() < earned[:8].mean() / 4
    assert earned[noise].min() < 0


def test_out_of_bag_score_is_near_scikit_learns_and_takes_a_metric(rows):
    mine = HistForestClassifier(80, oob_score=True, random_state=0).fit(*rows)
    reference = RandomForestClassifier(80, oob_score=True, random_state=0).fit(*rows)
    assert mine.oob_score_ == pytest.approx(reference.oob_score_, abs=0.04)
    other = HistForestClassifier(80, oob_score=balanced_accuracy_score, random_state=0).fit(*rows)
    predicted = mine.classes_[mine.oob_decision_function_.argmax(axis=1)]
    assert other.oob_score_ == balanced_accuracy_score(rows[1], predicted)
    assert not hasattr(HistForestClassifier(5).fit(*rows), "oob_score_")


def test_what_is_missing_can_decide():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 10))
    y = rng.integers(0, 2, 400)
    X[y == 1, 3] = np.nan
    forest = HistForestClassifier(10, random_state=0).fit(X[:300], y[:300])
    assert forest.score(X[300:], y[300:]) == 1
    # Where nothing was missing in training, a missing value goes the way of most rows.
    complete = rng.normal(size=(300, 1))
    labels = (complete[:, 0] > 1).astype(int)
    tree = one_tree(max_depth=1).fit(complete, labels)
    assert tree.predict([[np.nan]]) == [0]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda forest: pickle.loads(pickle.dumps(forest))]
)
def test_copies_predict_the_same(rows, copied):
    X, y = rows
    forest = HistForestClassifier(20, max_depth=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(copied(forest).predict_proba(X), forest.predict_proba(X))


def test_a_node_takes_twelve_bytes(rows):
    X, y = rows
    trees = HistForestClassifier(40, random_state=0).fit(X, y)._trees
    assert trees.n_bytes <= 12 * trees.n_nodes + 8 * (trees.n_trees + 1)


def test_labels_may_be_of_any_kind(rows):
    X, y = rows
    for names in (["sad", "angry", "happy"], [7, -3, 12], [0.5, 1.5, 2.5]):
        labels = np.array(names)[y] if names[0] != 0.5 else y
        forest = HistForestClassifier(10, random_state=0).fit(X, labels)
        assert forest.classes_.tolist() == np.unique(labels).tolist()
        assert set(forest.predict(X)) <= set(forest.classes_)
    many = np.arange(len(y)) % 256
    assert HistForestClassifier(2, random_state=0).fit(X, many).predict_proba(X).shape == (600, 256)
    with pytest.raises(DataError, match="300 different labels"):
        HistForestClassifier(2).fit(X, np.arange(len(y)) % 300)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_estimators": 0}, "n_estimators is 0: use a whole number, 1 to 1048576"),
        ({"n_estimators": True}, "n_estimators is True"),
        ({"max_depth": 0}, "max_depth is 0: use a whole number from 1 on"),
        ({"min_samples_split": 1}, "min_samples_split is 1"),
        ({"min_samples_leaf": 1.5}, "min_samples_leaf is 1.5"),
        ({"min_weight_fraction_leaf": 0.6}, "min_weight_fraction_leaf is 0.6"),
        ({"max_features": "all"}, "max_features is 'all'"),
        ({"max_samples": 0.0}, "max_samples is 0.0"),
        ({"max_samples": 10, "bootstrap": False}, "leave it None without bootstrap"),
        ({"oob_score": True, "bootstrap": False}, "oob_score needs rows"),
        ({"max_bins": 65}, "max_bins is 65: use a whole number, 2 to 64"),
        ({"class_weight": "even"}, "class_weight is 'even'"),
        ({"class_weight": {0: -1}}, "use weights that are positive"),
    ],
)
def test_refuses_wrong_parameters(rows, wrong, message):
    with pytest.raises(ParameterError, match=message):
        HistForestClassifier(**wrong).fit(*rows)


def test_refuses_wrong_rows_and_weights(rows):
    X, y = rows
    wrong = X.copy()
    wrong[5, 7] = np.inf
    with pytest.raises(ValueError, match="contains infinity"):
        HistForestClassifier().fit(wrong, y)
    for weights, message in (
        (np.zeros(len(y)), "at least one non-zero"),
        (np.full(len(y), -1.0), "Negative values"),
        (np.ones(3), "expected"),
    ):
        with pytest.raises(ValueError, match=message):
            HistForestClassifier().fit(X, y, weights)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize(
    "endless", ["HistForestClassifier(200_000).fit(X, y)", "forest.predict(huge)"]
)
def test_interrupt_ends_a_fit_and_a_prediction(endless):
    script = f"""
import numpy as np
from fer_fast.forest import HistForestClassifier
rng = np.random.default_rng(0)
X = rng.normal(size=(2_000, 100)).astype(np.float32)
y = rng.integers(0, 5, size=2_000)
forest = HistForestClassifier(2_000, max_depth=12).fit(X[:500], y[:500])
huge = np.broadcast_to(X[0], (400_000, 100)).copy()
try:
    print("ready", flush=True)
    {endless}
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
