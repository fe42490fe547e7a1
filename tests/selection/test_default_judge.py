"""A selector without an estimator: a forest judges, and says what each column earned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.feature_selection import f_classif

from fer_fast import AntColonySelector, BlindJudgeWarning, Colony, ForestFitness, ParameterError
from fer_fast.selection.desirability import scaled_scores
from fer_fast.selection.problem import n_halvings


@pytest.mark.parametrize("labels", [["no", "yes"], [-7, 3], [0.0, 2.0]])
def test_without_an_estimator_it_is_the_colony_with_a_forests_credit(
    planted: Any, labels: Any
) -> None:
    X, y = planted[0], np.array(labels)[planted[1]]
    parameters = {"n_ants": 6, "min_features": 4, "max_features": 4}
    fitted = AntColonySelector(random_state=0, n_ants=6, n_features_to_select=4).fit(X, y)
    fitness = ForestFitness(
        X.astype(np.float32), y, scoring="brier", credit="residual", random_state=0
    )
    colony = Colony(
        np.ones(40),
        tau0=fitted.desirability_,
        deposit="credit",
        sizes="annealed",
        seed=0,
        **parameters,
    )
    colony.run(fitness, n_iterations=7)
    np.testing.assert_array_equal(fitted.get_support(indices=True), colony.best_subset)
    np.testing.assert_allclose(fitted.pheromone_, colony.pheromone)
    assert fitted.best_score_ == colony.best_score
    assert fitted.support_[:4].sum() >= 3
    threads = AntColonySelector(random_state=0, n_ants=6, n_features_to_select=4, n_jobs=3)
    np.testing.assert_array_equal(threads.fit(X, y).pheromone_, fitted.pheromone_)


def test_a_group_earns_what_its_columns_earn(planted: Any) -> None:
    X, y = planted
    twins = np.hstack([X, X])
    pairs = np.arange(80).reshape(2, 40).T
    parameters = {"n_ants": 6, "min_features": 4, "max_features": 4, "deposit": "credit"}
    parameters |= {"sizes": "annealed"}
    fitted = AntColonySelector(
        random_state=0, n_ants=6, n_features_to_select=4, feature_groups=pairs, n_iterations=1
    ).fit(twins, y)
    fitness = ForestFitness(
        twins.astype(np.float32), y, scoring="brier", credit="residual", random_state=0
    )

    class OfPairs:
        def __call__(self, subset: Any) -> Any:
            score, credit = fitness(np.concatenate([subset, subset + 40]))
            return score, credit[: len(subset)] + credit[len(subset) :]

        def next_iteration(self, credited: Any) -> None:
            fitness.next_iteration([np.concatenate([s, s + 40]) for s in credited])

    tau0 = fitted.desirability_.reshape(2, 40).max(axis=0)
    colony = Colony(np.ones(40), tau0=tau0, seed=0, **parameters)
    colony.run(OfPairs(), n_iterations=5)
    np.testing.assert_allclose(fitted.pheromone_, np.tile(colony.pheromone, 2))
    kept = fitted.get_support(indices=True)
    np.testing.assert_array_equal(kept[:4], colony.best_subset)
    np.testing.assert_array_equal(kept[4:], kept[:4] + 40)


def test_without_an_estimator_held_out_rows_are_scored_by_a_forest() -> None:
    X, y = load_digits(return_X_y=True)
    held = np.arange(len(y)) % 3 == 0
    fitted = AntColonySelector(
        random_state=0, n_ants=4, min_features=16, holdout=held, scoring="f1_macro"
    ).fit(X, y)
    kept = fitted.get_support(indices=True)
    X = X.astype(np.float32)
    forest = ForestFitness(X[~held], y[~held], X[held], y[held], random_state=0)
    assert fitted.holdout_score_ == pytest.approx(forest(kept))
    assert fitted.holdout_score_ > 0.9


def test_what_needs_an_estimator_says_so(planted: Any) -> None:
    X, y = planted
    with pytest.raises(ParameterError, match="without an estimator it must be one of brier"):
        AntColonySelector(scoring="roc_auc").fit(X, y)
    with pytest.raises(TypeError, match="without an estimator, fit takes no sample_weight"):
        AntColonySelector().fit(X, y, sample_weight=np.ones(200))
    with pytest.raises(ValueError, match="continuous"):
        AntColonySelector().fit(X, X[:, 0])


@pytest.mark.parametrize(("n", "k"), [(5120, 128), (5120, 64), (100, 33), (7, 7), (8, 7), (9, 4)])
def test_sizes_are_halved_as_often_as_the_colony_does(n: int, k: int) -> None:
    colony = Colony(np.ones(n), deposit="credit", sizes="annealed", min_features=k, max_features=k)
    assert [i for i in range(20) if colony.ants_of(i) != 20] == [*range(n_halvings(n, k))]


def test_so_many_columns_as_are_asked_for_are_come_to_by_halves(planted: Any) -> None:
    fitted = AntColonySelector(n_features_to_select=4, n_iterations=2, random_state=0).fit(*planted)
    assert fitted.history_["mean_size"].tolist() == [40, 20, 10, 5, 4, 4]
    assert fitted.history_["n_ants"].tolist() == [1, 2, 4, 8, 20, 20]
    assert np.isnan(fitted.history_["best_score"]).tolist() == [True] * 4 + [False] * 2
    learned = AntColonySelector(n_iterations=2, random_state=0).fit(*planted)
    assert len(learned.history_["mean_size"]) == 2


def test_a_search_that_ends_while_sizes_are_halved_keeps_as_many_as_were_asked_for(
    planted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    X, y = planted
    fitted = AntColonySelector(
        n_features_to_select=4,
        callbacks=[lambda news: news.iteration == 1],
        random_state=0,
        verbose=1,
    ).fit(X, y)
    assert fitted.stop_reason_ == "callback"
    assert "iteration 1/7: all of 40 features, which are halved" in capsys.readouterr().out
    assert fitted.n_features_ == 4
    fitness = ForestFitness(
        X.astype(np.float32), y, scoring="brier", credit="residual", random_state=0
    )
    judged = fitness(fitted.get_support(indices=True))
    assert isinstance(judged, tuple)
    assert fitted.best_score_ == judged[0]


def test_the_first_trail_is_by_f_where_columns_far_outnumber_rows() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 500)).astype(np.float32)
    y = (X[:, 3] + X[:, 8] > 0).astype(int)
    with pytest.warns(BlindJudgeWarning):
        wide = AntColonySelector(n_ants=2, n_iterations=1, random_state=0).fit(X, y)
    by_f = scaled_scores(f_classif(X.astype(float), y)[0])
    np.testing.assert_allclose(wide.desirability_, by_f)
    few = AntColonySelector(n_ants=2, n_iterations=1, random_state=0).fit(X[:, :400], y)
    assert few.desirability_.shape == (400,)
    assert not np.allclose(
        few.desirability_, scaled_scores(f_classif(X[:, :400].astype(float), y)[0])
    )
