"""Where there is nothing to find: what the search says of itself, and what new rows say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from fer_fast import AntColonySelector

CHANCE = 1e-3
"""How seldom luck alone may make a test here fail: its seeds are fixed, so that it never does."""


@pytest.fixture(scope="module")
def noise() -> tuple[np.ndarray, np.ndarray]:
    """Return 160 rows of 600 columns that say nothing of two classes."""
    y = np.random.default_rng(1).permutation(np.arange(160) % 2)
    return np.random.default_rng(0).normal(size=(160, 600)), y


@pytest.mark.parametrize("estimator", [GaussianNB(), None])
@pytest.mark.filterwarnings("ignore::fer_fast.BlindJudgeWarning")
def test_on_permuted_labels_outer_folds_are_at_chance_whatever_the_search_says(
    noise: Any, estimator: Any
) -> None:
    X, y = noise
    selector = AntColonySelector(
        estimator, n_ants=8, n_iterations=2, cv=3, max_features=40, random_state=0
    )
    found = cross_validate(
        make_pipeline(selector, GaussianNB()),
        X,
        y,
        cv=StratifiedKFold(4, shuffle=True, random_state=0),
        return_estimator=True,
    )
    # Folds of 40 rows each.
    right = round(sum(found["test_score"] * 40))
    assert binomtest(right, 160, 0.5).pvalue > CHANCE
    if estimator is not None:
        # It chose the columns by these very rows: that is what `best_score_` warns of.
        said = [pipeline[0].best_score_ for pipeline in found["estimator"]]
        assert all(binomtest(round(120 * score), 120, 0.5).pvalue < CHANCE for score in said)


def test_on_noise_the_holdout_is_at_chance_where_the_search_is_not(noise: Any) -> None:
    X, y = noise
    selector = AntColonySelector(
        GaussianNB(), n_ants=8, n_iterations=2, max_features=40, holdout=0.5, random_state=0
    ).fit(X, y)
    assert binomtest(round(80 * selector.holdout_score_), 80, 0.5).pvalue > CHANCE
    assert binomtest(round(80 * selector.best_score_), 80, 0.5).pvalue < CHANCE
