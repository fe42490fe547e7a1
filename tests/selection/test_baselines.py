"""Simple answers of a choice's size, and what rows that no search saw say of them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import RFE, SelectKBest, f_classif
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from fer_fast import AntColonySelector, ForestFitness, SimplerAnswerWarning
from fer_fast.selection.baselines import credit_elimination, k_best
from fer_fast.selection.holdout import is_positive


class Scripted:
    """Credits a feature by a fixed number, and keeps what it was asked and told."""

    def __init__(self, worth: np.ndarray) -> None:
        self.worth = worth
        self.asked: list[np.ndarray] = []
        self.told: list[np.ndarray] = []

    def __call__(self, subset: np.ndarray) -> tuple[float, np.ndarray]:
        self.asked.append(subset)
        return 0.5, self.worth[subset]

    def next_iteration(self, credited: Any) -> None:
        (subset,) = credited
        self.told.append(subset)


def test_elimination_is_scikit_learns_where_worth_does_not_change() -> None:
    worth = np.random.default_rng(0).permutation(57).astype(float)

    class Worthy(LinearRegression):
        def fit(self, X: Any, y: Any) -> Any:
            super().fit(X, y)
            self.coef_ = np.sqrt(worth[X[0].astype(int)])
            return self

    X = np.tile(np.arange(57.0), (60, 1))
    judge = Scripted(worth)
    found = credit_elimination(judge, 57, [30, 5, 57], step=0.1)
    assert found.keys() == {57, 30, 5}
    for size, subset in found.items():
        kept = RFE(Worthy(), n_features_to_select=size, step=1).fit(X, np.arange(60.0)).support_
        np.testing.assert_array_equal(subset, np.flatnonzero(kept))
    sizes = [len(subset) for subset in judge.asked]
    # A tenth each time, rounded in favour of dropping, with a halt at every size asked for.
    assert sizes[:4] == [57, 51, 45, 40]
    assert 30 in sizes
    assert 5 not in sizes
    for asked, told in zip(judge.asked, judge.told, strict=True):
        np.testing.assert_array_equal(asked, told)


def test_elimination_by_residual_credit_drops_copies_and_noise() -> None:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(600, 3))
    copies = causes[:, :1] + 0.2 * rng.normal(size=(600, 10))
    X = np.hstack([causes, copies, rng.normal(size=(600, 30))]).astype(np.float32)
    y = (causes @ [1.5, 1, 1] > 0).astype(int)
    judge = ForestFitness(X, y, n_estimators=30, scoring="brier", credit="residual")
    kept = credit_elimination(judge, 43, [4])[4]
    assert {1, 2} <= set(kept.tolist())
    assert np.isin(kept, np.arange(13)).sum() >= 3
    assert {1, 2} - set(k_best(f_classif(X, y)[0], 4).tolist()), "F prefers the copies"


def test_k_best_are_the_greatest_and_of_equals_the_first() -> None:
    scores = np.array([1, np.nan, 3, 3, 3, np.inf, -1])
    assert k_best(scores, 3).tolist() == [2, 3, 5]
    assert k_best(scores, 6).tolist() == [0, 2, 3, 4, 5, 6]
    assert k_best(np.array([np.nan, -2.0]), 1).tolist() == [1]


def test_beyond_noise_is_a_one_sided_t_test() -> None:
    rng = np.random.default_rng(0)
    for shift in (-1, 0, 0.5, 1, 2):
        gains = rng.normal(shift, 1, 8)
        expected = ttest_1samp(gains, 0, alternative="greater").pvalue < 0.02
        assert is_positive(gains.tolist(), doubt=0.02) == expected
    assert not is_positive([0.0] * 9, doubt=0.02)
    assert is_positive([0.1] * 9, doubt=0.02)
    assert not is_positive([5.0], doubt=0.02)


def misled(n_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Four causes of the class, and noise; a nearest neighbour is misled by every noise column."""
    y = np.arange(n_rows) % 2
    X = np.random.default_rng(2).normal(size=(n_rows, 60))
    X[:, :4] += 1.4 * y[:, None]
    return X, y


def test_a_simpler_answer_that_is_better_is_told_of() -> None:
    X, y = misled()
    # Ants that prefer noise and look at two subsets.
    wrong = np.where(np.arange(60) < 4, 0.01, 1)
    parameters: dict[str, Any] = {"n_ants": 2, "n_iterations": 1, "random_state": 0, "cv": 3}
    selector = AntColonySelector(
        KNeighborsClassifier(),
        desirability=wrong,
        n_features_to_select=4,
        holdout=0.4,
        **parameters,
    )
    with pytest.warns(SimplerAnswerWarning, match="k_best 0.*holdout_baselines_") as told:
        selector.fit(X, y)
    assert told[0].filename == __file__
    assert selector.holdout_baselines_.keys() == {"k_best", "importances", "credit_elimination"}
    assert min(selector.holdout_baselines_.values()) > selector.holdout_score_ + 0.2
    assert selector.history_["simpler_is_better"].tolist() == [True]


def test_the_scores_of_simpler_answers_are_those_of_plain_scikit_learn() -> None:
    X, y = misled()
    held = np.arange(300) % 3 == 0
    with warnings.catch_warnings(action="error"):
        selector = AntColonySelector(
            GaussianNB(), n_features_to_select=4, holdout=held, n_iterations=5, random_state=0
        ).fit(X, y)
    kept = SelectKBest(f_classif, k=4).fit(X[~held], y[~held]).get_support()
    expected = GaussianNB().fit(X[~held][:, kept], y[~held]).score(X[held][:, kept], y[held])
    assert selector.holdout_baselines_["k_best"] == pytest.approx(expected)
    forest = RandomForestClassifier(300, random_state=0).fit(X[~held], y[~held])
    kept = np.argsort(-forest.feature_importances_)[:4]
    expected = GaussianNB().fit(X[~held][:, kept], y[~held]).score(X[held][:, kept], y[held])
    assert selector.holdout_baselines_["importances"] == pytest.approx(expected, abs=0.02)
    for name, score in {**selector.holdout_baselines_, "score": selector.holdout_score_}.items():
        in_history = selector.history_[f"holdout_{name}"].tolist()
        assert in_history == pytest.approx([np.nan] * 4 + [score], nan_ok=True)
    assert not selector.history_["simpler_is_better"].any(), "and no warning"
    without = AntColonySelector(GaussianNB()).fit(X, y)
    assert not hasattr(without, "holdout_baselines_")
    assert not without.history_.keys() & {"holdout_score", "simpler_is_better"}


def test_simpler_answers_keep_to_what_was_asked_for() -> None:
    X, y = misled()
    seen: list[int] = []

    class Noting(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            if len(y) == 200:
                seen.append(X.shape[1])
                # The fixed column is there, and the forbidden one is not.
                assert 7.5 in X[0]
                assert -7.5 not in X[0]
            return super().fit(X, y)

    X = np.hstack([X, np.full((300, 1), 7.5), np.full((300, 1), -7.5)])
    AntColonySelector(
        Noting(),
        n_features_to_select=5,
        feature_groups=[[0, 10]],
        fixed=[60],
        forbidden=[61],
        holdout=np.arange(300) % 3 == 0,
        n_iterations=1,
        random_state=0,
    ).fit(X, y)
    assert len(seen) == 4
    assert set(seen) <= {5, 6}


def test_where_columns_or_labels_forbid_a_simpler_answer_there_are_fewer() -> None:
    pd = pytest.importorskip("pandas")
    X, y = misled()
    gaps = X.copy()
    gaps[0, 0] = np.nan
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier

    search: dict[str, Any] = {"n_ants": 2, "n_iterations": 1, "holdout": 0.3, "random_state": 0}
    with_gaps = AntColonySelector(HistGradientBoostingClassifier(max_iter=5), **search).fit(gaps, y)
    assert with_gaps.holdout_baselines_.keys() == {"k_best"}
    numeric = AntColonySelector(LinearRegression(), **search).fit(X, X[:, 0] + X[:, 1])
    assert numeric.holdout_baselines_.keys() == {"k_best", "importances"}
    frame = pd.DataFrame(X[:, :5], columns=list("abcde")).assign(kind=np.where(y, "x", "z"))
    model = make_column_transformer(("passthrough", list("abcde")), remainder="drop")
    from sklearn.pipeline import make_pipeline

    mixed = AntColonySelector(make_pipeline(model, GaussianNB()), min_features=5, **search)
    assert mixed.fit(frame, y).holdout_baselines_.keys() == {"k_best"}
