"""What a caller may ask of a selector: how many features, which, at what cost, how sure."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_regression
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GroupKFold,
    PredefinedSplit,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB

from fer_fast import AntColonySelector, BlindJudgeWarning
from fer_fast.selection.stability import stability


@pytest.mark.parametrize(("asked", "kept"), [(1, 1), (7, 7), (40, 40), (0.25, 10), (1.0, 40)])
def test_so_many_features_are_kept_as_were_asked_for(
    planted: Any, make_selector: Any, asked: Any, kept: int
) -> None:
    fitted = make_selector(n_features_to_select=asked).fit(*planted)
    assert fitted.n_features_ == fitted.support_.sum() == kept
    assert set(fitted.history_["mean_size"]) == {kept}


def test_a_number_beyond_the_width_is_the_width(planted: Any, make_selector: Any) -> None:
    with pytest.warns(UserWarning, match="n_features_to_select is 41, and X has 40 features"):
        assert make_selector(n_features_to_select=41).fit(*planted).support_.all()


GROUPS = [[0, 20], [1, 21, 22], [38, 39]]


def test_groups_stand_or_fall_together(planted: Any, make_selector: Any) -> None:
    X, y = planted
    judged: list[Any] = []

    class Noting(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            judged.append(list(X.columns))
            return super().fit(X, y)

    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(40)])
    named = [[f"x{i}" for i in group] for group in GROUPS]
    fitted = make_selector(Noting(), feature_groups=named, q0=0.0).fit(frame, y)
    for subset in judged:
        for group in named:
            assert len(set(group) & set(subset)) in (0, len(group))
    assert fitted.support_[[0, 20]].all()
    # By index it is the same search.
    by_index = make_selector(feature_groups=GROUPS, q0=0.0).fit(X, y)
    np.testing.assert_array_equal(by_index.pheromone_, fitted.pheromone_)
    for group in GROUPS:
        assert len(set(by_index.pheromone_[group])) == 1


def test_sizes_count_groups(planted: Any, make_selector: Any) -> None:
    # As the four channels of ten pixels, of which the first pixel's are the planted features.
    pixels = np.arange(40).reshape(10, 4)
    fitted = make_selector(feature_groups=pixels, n_features_to_select=1).fit(*planted)
    assert fitted.get_support(indices=True).tolist() == [0, 1, 2, 3]


def test_fixed_features_are_in_every_subset_and_forbidden_ones_in_none(
    planted: Any, make_selector: Any
) -> None:
    X, y = planted
    widths: list[int] = []

    def see(estimator: Any, X: Any, y: Any) -> float:
        widths.append(X.shape[1])
        found = [bool((column[: len(X), None] == X).all(axis=0).any()) for column in watched]
        assert found == [True, False]
        return float(estimator.score(X, y))

    watched = X[:, 30], X[:, 0]
    rows = np.arange(100, 200), np.arange(100)
    selector = make_selector(
        fixed=[30], forbidden=[0], n_features_to_select=5, cv=[rows], scoring=see
    )
    fitted = selector.fit(X, y)
    assert set(widths) == {5}
    assert fitted.support_[30]
    assert not fitted.support_[0]
    assert fitted.pheromone_[[30, 0]].tolist() == [1, 0]
    assert fitted.n_features_ == 5


def test_a_group_follows_its_fixed_or_forbidden_member(planted: Any, make_selector: Any) -> None:
    fitted = make_selector(feature_groups=GROUPS, fixed=[39], forbidden=[0]).fit(*planted)
    assert fitted.support_[[38, 39]].all()
    assert not fitted.support_[[0, 20]].any()


def test_a_cheaper_twin_is_preferred(planted: Any, make_selector: Any) -> None:
    X, y = planted
    twins = np.hstack([X, X])
    for dear in (np.arange(40), np.arange(40, 80)):
        costs = np.ones(80)
        costs[dear] = 50
        fitted = make_selector(costs=costs, n_ants=20).fit(twins, y)
        kept = fitted.get_support(indices=True)
        assert not np.isin(kept, dear).any()
        score = cross_val_score(GaussianNB(), twins[:, kept], y, cv=3).mean()
        assert fitted.best_score_ == pytest.approx(score), "without the cost"
        fitness = 0.99 * score + 0.01 * (1 - costs[kept].sum() / costs.sum())
        assert fitted.history_["best_fitness"][-1] == pytest.approx(fitness)


def test_equal_costs_are_none(planted: Any, make_selector: Any) -> None:
    plain, priced = (make_selector(costs=c).fit(*planted) for c in (None, np.full(40, 3.0)))
    np.testing.assert_array_equal(priced.support_, plain.support_)
    np.testing.assert_allclose(priced.pheromone_, plain.pheromone_)
    assert priced.best_score_ == pytest.approx(plain.best_score_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"feature_groups": [[0, 1], [1, 2]]}, "feature_groups names feature 1 twice"),
        ({"feature_groups": [[0, 40]]}, "feature_groups holds 40"),
        ({"feature_groups": [0, 1]}, "feature_groups must list features"),
        ({"fixed": ["x0"]}, "fixed holds 'x0', which X does not have: give indices from 0 to 39"),
        ({"fixed": [-1]}, "fixed holds -1"),
        ({"fixed": [0.5]}, "fixed holds 0.5"),
        ({"fixed": [3], "forbidden": [3]}, "feature 3 is fixed and forbidden"),
        ({"forbidden": range(40)}, "nothing is left to choose"),
        ({"fixed": [1, 2], "n_features_to_select": 2}, "nothing is left to choose"),
        ({"n_features_to_select": 3, "max_features": 2}, "exclude it"),
        ({"n_features_to_select": 1.5}, "'n_features_to_select' parameter"),
        ({"min_features": 30, "forbidden": range(20)}, "min_features is 30, and X has 20"),
        ({"costs": np.ones(39)}, "costs has shape"),
        ({"costs": np.zeros(40)}, "costs must be finite and above 0"),
        ({"costs": np.ones(40), "phi": 0.0}, "phi is 0"),
        ({"holdout": [200]}, "holdout must name rows from 0 to 199"),
        ({"holdout": np.ones(200, dtype=bool)}, "holdout sets no row aside, or all"),
        ({"holdout": [0.5, 0.6]}, "holdout must be a share, row numbers, or a mask"),
        ({"holdout": 1.0}, "'holdout' parameter"),
        ({"n_colonies": 1}, "'n_colonies' parameter"),
    ],
)
def test_what_cannot_be_chosen_is_named(
    planted: Any, make_selector: Any, parameters: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_selector(**parameters).fit(*planted)


def test_held_out_rows_decide_nothing(planted: Any, make_selector: Any) -> None:
    X, y = planted
    held = np.arange(200) % 5 == 0
    other = X.copy()
    other[held] = np.random.default_rng(9).normal(size=(held.sum(), 40))
    fitted, blanked = (make_selector(holdout=held).fit(rows, y) for rows in (X, other))
    alone = make_selector().fit(X[~held], y[~held])
    for found in (blanked, alone):
        np.testing.assert_array_equal(found.pheromone_, fitted.pheromone_)
        np.testing.assert_array_equal(found.desirability_, fitted.desirability_)
        assert found.best_score_ == fitted.best_score_
    kept = fitted.transform(X)
    model = GaussianNB().fit(kept[~held], y[~held])
    assert fitted.holdout_score_ == pytest.approx(
        accuracy_score(y[held], model.predict(kept[held]))
    )
    assert fitted.holdout_score_ > 0.8 > 0.6 > blanked.holdout_score_
    assert not hasattr(alone, "holdout_score_")
    by_number = make_selector(holdout=np.flatnonzero(held)).fit(X, y)
    assert by_number.holdout_score_ == fitted.holdout_score_


def test_a_share_is_drawn_class_by_class_and_group_by_group(
    planted: Any, make_selector: Any
) -> None:
    X, y = planted
    seen: list[Any] = []

    def rows_of(X: Any) -> list[int]:
        return X[:, 0].astype(int).tolist()

    class Noting(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            seen.extend(rows_of(X))
            return super().fit(X, y)

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ARG002
            scored.append(rows_of(X))
            return 0.5

    numbered = np.column_stack([np.arange(200), X])
    scored: list[Any] = []
    # With costs, no simple answer is scored beside the choice.
    own = {"holdout": 0.2, "fixed": [0], "costs": np.ones(41)}
    make_selector(Noting(), **own).fit(numbered, (np.arange(200) % 4 == 0).astype(int))
    held = np.array(scored.pop())
    assert len(held) == 40
    assert (held % 4 == 0).sum() == 10

    groups = np.arange(200) // 10
    make_selector(Noting(), **own, cv=GroupKFold(2)).fit(numbered, y, groups=groups)
    held = np.array(scored.pop())
    assert sorted(held) == sorted(np.flatnonzero(np.isin(groups, groups[held])))


def test_splits_of_all_rows_leave_out_what_is_held_out(planted: Any, make_selector: Any) -> None:
    X, y = planted
    held = np.arange(200) % 5 == 0
    whole = list(StratifiedKFold(3).split(X, y))
    fitted = make_selector(cv=whole, holdout=held).fit(X, y)
    number = np.cumsum(~held) - 1
    cut = [tuple(number[rows[~held[rows]]] for rows in split) for split in whole]
    expected = make_selector(cv=cut).fit(X[~held], y[~held])
    assert fitted.best_score_ == expected.best_score_
    np.testing.assert_array_equal(fitted.pheromone_, expected.pheromone_)


def test_the_heuristic_sees_no_rows_that_judge_where_there_are_others(
    planted: Any, make_selector: Any
) -> None:
    X, y = planted
    judging = np.arange(200) % 4 == 0
    one_split = PredefinedSplit(np.where(judging, 0, -1))
    fitted = make_selector(cv=one_split).fit(X, y)
    alone = make_selector().fit(X[~judging], y[~judging])
    np.testing.assert_array_equal(fitted.desirability_, alone.desirability_)
    everything = make_selector(cv=4).fit(X, y)
    assert not np.array_equal(everything.desirability_, fitted.desirability_)


NOISE = np.random.default_rng(0).normal(size=(60, 3000))
COINS = np.random.default_rng(1).integers(0, 2, 60)


def test_where_columns_far_outnumber_rows_the_heuristic_and_the_judge_see_others(
    make_selector: Any,
) -> None:
    parameters = {"estimator": LogisticRegression(), "n_features_to_select": 40}
    with warnings.catch_warnings(action="error"):
        apart = make_selector(**parameters).fit(NOISE, COINS)
        blind = make_selector(**parameters, desirability=f_classif(NOISE, COINS)[0])
        blind.fit(NOISE, COINS)
    assert blind.best_score_ > 0.9 > 0.8 > apart.best_score_, "on noise"
    # The heuristic sees two thirds.
    seen: list[int] = []

    def noting(X: Any, y: Any) -> Any:
        seen.append(len(y))
        return f_classif(X, y)[0]

    make_selector(**parameters | {"desirability": noting}).fit(NOISE, COINS)
    make_selector(**parameters | {"desirability": noting}).fit(NOISE[:, :500], COINS)
    assert seen == [40, 60]


def test_a_judge_that_cannot_but_be_blind_is_told_of(make_selector: Any) -> None:
    with pytest.warns(BlindJudgeWarning, match="holdout=") as warned:
        AntColonySelector(n_ants=2, n_iterations=1, random_state=0).fit(NOISE, COINS)
    assert warned[0].filename == __file__
    lone = COINS.copy()
    lone[0] = 2
    folds = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    with pytest.warns(BlindJudgeWarning, match="holdout="):
        make_selector(LogisticRegression(), cv=folds).fit(NOISE, lone)
    with warnings.catch_warnings(action="error"):
        AntColonySelector(n_ants=2, n_iterations=1, holdout=0.5, random_state=0).fit(NOISE, COINS)
        flat = AntColonySelector(n_ants=2, n_iterations=1, desirability="flat", random_state=0)
        flat.fit(NOISE, COINS)


def test_the_true_columns_of_a_hundred_thousand_are_kept() -> None:
    X = np.random.default_rng(0).normal(size=(100, 100_000))
    y = X[:, 5] + X[:, 7] > 0
    selector = AntColonySelector(LogisticRegression(), n_ants=8, max_features=200, random_state=0)
    kept = selector.fit(X, y).support_
    assert kept[5]
    assert kept[7]
    assert kept.sum() <= 16
    # The best are no equals, though a thousand of them are beyond the 99th percentile.
    assert len(np.unique(np.sort(selector.desirability_)[-1000:])) == 1000


def test_stability_is_that_of_searches_on_halves(planted: Any, make_selector: Any) -> None:
    X, y = planted
    parameters = {"n_features_to_select": 4, "n_ants": 20, "n_colonies": 4}
    true = make_selector(**parameters).fit(X, y)
    noise = make_selector(**parameters).fit(X[:, 4:], np.random.default_rng(3).permutation(y))
    plain = make_selector(n_features_to_select=4, n_ants=20).fit(X, y)
    np.testing.assert_array_equal(true.support_, plain.support_)
    assert true.stability_ > 0.6 > 0.4 > noise.stability_
    assert true.selection_frequency_.sum() == pytest.approx(4)
    assert true.selection_frequency_[:4].mean() > 0.7
    assert not hasattr(plain, "stability_")
    again = make_selector(**parameters).fit(X, y)
    np.testing.assert_array_equal(again.selection_frequency_, true.selection_frequency_)


def test_fixed_features_make_nothing_stable(planted: Any, make_selector: Any) -> None:
    X, y = planted
    noise = np.random.default_rng(3).permutation(y)
    fitted = make_selector(n_colonies=4, fixed=range(20), n_features_to_select=23).fit(X, noise)
    assert fitted.stability_ < 0.5


def test_ctrl_c_among_the_halves_keeps_the_subset(planted: Any, make_selector: Any) -> None:
    fits: list[int] = []

    class Interrupted(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            fits.append(len(X))
            if len(X) < 80:
                raise KeyboardInterrupt
            return super().fit(X, y)

    selector = make_selector(Interrupted(), n_colonies=4)
    with pytest.warns(UserWarning, match="interrupted"):
        selector.fit(*planted)
    assert selector.stop_reason_ == "interrupted"
    assert selector.n_features_ > 0
    assert np.isnan(selector.stability_)


def test_stability_agrees_with_a_case_worked_by_hand() -> None:
    # Four subsets of five features: shares 1, .5, .25, .25, 0 and a mean size of 2.
    subsets = np.array([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0]], bool)
    variance = 4 / 3 * (0 + 0.25 + 0.1875 + 0.1875 + 0) / 5
    assert stability(subsets) == pytest.approx(1 - variance / (2 / 5 * 3 / 5))
    assert stability(subsets[:2]) == 1
    assert np.isnan(stability(subsets[:1]))
    random = np.random.default_rng(0).random((2000, 30)) < 0.3
    assert abs(stability(random)) < 0.01


def test_a_regressor_has_all_of_it_too() -> None:
    X, y = make_regression(200, 20, n_informative=3, noise=1.0, random_state=0)
    fitted = AntColonySelector(
        LinearRegression(),
        n_features_to_select=3,
        holdout=0.25,
        n_colonies=2,
        random_state=0,
    ).fit(X, y)
    assert fitted.n_features_ == 3
    assert fitted.holdout_score_ > 0.9
    assert fitted.stability_ == 1
