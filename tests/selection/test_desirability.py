"""Desirability of single features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

from fer_fast.errors import DataError
from fer_fast.selection import desirability
from fer_fast.selection.desirability import anova_f, forest_scores, scaled_scores


def anova(column, y):
    """F statistic of one column, from the textbook."""
    groups = [column[y == label] for label in np.unique(y)]
    between = sum(len(g) * (g.mean() - column.mean()) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(column) - len(groups))
    return between / within


def anova_desirability(X, y):
    return scaled_scores(anova_f(X, y))


def many_features():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    X = rng.normal(size=(90, 250)) + np.outer(y, rng.exponential(0.3, 250))
    return X.astype(np.float32), y


def test_it_is_the_share_of_the_99th_percentile_and_logarithmic_beyond():
    X, y = many_features()
    F = np.array([anova(column.astype(np.float64), y) for column in X.T])
    share = F / np.quantile(F, 0.99)
    expected = np.where(share > 1, 1 + np.log(share), np.maximum(share, 0.01))
    assert (expected > 1).any()
    assert (expected == 0.01).any()
    np.testing.assert_allclose(anova_desirability(X, y), expected, rtol=1e-9)


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e300, 1e300)))
def test_scaling_keeps_the_order_and_makes_no_equals_of_the_best(scores):
    desirability = scaled_scores(scores)
    assert np.isfinite(desirability).all()
    assert (desirability >= 0.01).all()
    order = np.argsort(scores, kind="stable")
    steps = np.diff(desirability[order])
    assert (steps >= 0).all()
    # Apart as floats, and above the floor: apart in desirability too.
    apart = np.diff(scores[order]) > 1e-9 * np.abs(scores[order][1:])
    assert (steps[apart & (desirability[order][1:] > 0.01)] > 0).all()


def test_where_nearly_all_score_nothing_the_few_are_told_apart():
    scores = np.zeros(1000)
    scores[:3] = 1, 2, 3
    assert (np.diff(scaled_scores(scores)[:4]) != 0).all()
    assert set(scaled_scores(scores)[3:]) == {0.01}
    assert set(scaled_scores(np.zeros(5))) == {0.01}


@pytest.mark.parametrize("measure", ["importances", "oob_gain"])
def test_a_forest_tells_what_helps_it_from_noise(measure):
    X, y = load_iris(return_X_y=True)
    noise = np.random.default_rng(0).normal(size=(len(X), 6))
    X = np.hstack([X, noise]).astype(np.float32)
    scores = forest_scores(X, y, measure, random_state=0)
    assert scores[2:4].min() > scores[4:].max()
    if measure == "importances":
        forest = RandomForestClassifier(300, random_state=0).fit(X, y)
        np.testing.assert_allclose(scores, forest.feature_importances_, atol=0.06)
    else:
        assert np.abs(scores[4:].mean()) < 0.02 * scores.sum()


def test_blocks_of_columns_do_not_show(monkeypatch):
    X, y = many_features()
    whole = anova_desirability(X, y)
    monkeypatch.setattr(desirability, "_BLOCK_BYTES", 8 * len(X) * 7)
    np.testing.assert_array_equal(anova_desirability(X, y), whole)


def test_a_large_offset_costs_float32_features_nothing():
    X, y = load_iris(return_X_y=True)
    X = np.round(X * 8) / 8
    shifted = (X + 4096).astype(np.float32)
    np.testing.assert_allclose(anova_desirability(shifted, y), anova_desirability(X, y), rtol=1e-5)


def test_constant_columns_get_the_floor_without_a_warning(recwarn):
    X, y = load_iris(return_X_y=True)
    X = np.column_stack([X, np.full(len(X), 0.1), np.zeros(len(X))]).astype(np.float32)
    values = anova_desirability(X, y)
    assert list(values[4:]) == [0.01, 0.01]
    assert (values[:4] > 0.01).all()
    assert not recwarn.list
    assert set(anova_desirability(np.ones((6, 3)), [0, 1] * 3)) == {0.01}


def test_a_column_that_separates_perfectly_is_the_best_and_leaves_the_rest_alone():
    X, y = load_iris(return_X_y=True)
    others = anova_desirability(X, y)
    values = anova_desirability(np.column_stack([X, y]), y)
    np.testing.assert_allclose(values, [*others, others.max() + 1])


@pytest.mark.parametrize(
    ("X", "y", "says"),
    [
        (np.ones(4), [0, 1, 0, 1], "one row a label"),
        (np.ones((4, 2)), [0, 1, 0], "one row a label"),
        (np.ones((4, 2)), [1, 1, 1, 1], "two classes"),
        ([[1.0, np.nan], [0.0, 1.0]], [0, 1], "finite"),
    ],
)
def test_what_has_no_f_statistic_is_refused(X, y, says):
    with pytest.raises(DataError, match=says):
        anova_desirability(X, y)
