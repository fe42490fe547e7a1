"""Desirability of single features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris

from fer_fast.errors import DataError
from fer_fast.selection import desirability
from fer_fast.selection.desirability import anova_desirability


def anova(column, y):
    """F statistic of one column, from the textbook."""
    groups = [column[y == label] for label in np.unique(y)]
    between = sum(len(g) * (g.mean() - column.mean()) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (len(column) - len(groups))
    return between / within


def many_features():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    X = rng.normal(size=(90, 250)) + np.outer(y, rng.exponential(0.3, 250))
    return X.astype(np.float32), y


def test_it_is_the_clipped_share_of_the_99th_percentile():
    X, y = many_features()
    F = np.array([anova(column.astype(np.float64), y) for column in X.T])
    expected = np.clip(F / np.quantile(F, 0.99), 0.01, 1)
    assert (expected == 1).any()
    assert (expected == 0.01).any()
    np.testing.assert_allclose(anova_desirability(X, y), expected, rtol=1e-9)


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


def test_a_column_that_separates_perfectly_gets_the_ceiling_and_leaves_the_rest_alone():
    X, y = load_iris(return_X_y=True)
    values = anova_desirability(np.column_stack([X, y]), y)
    np.testing.assert_allclose(values, [*anova_desirability(X, y), 1.0])


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
