"""What a forest says of the features of a subset, and what a colony makes of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.feature_selection import f_classif
from sklearn.metrics import brier_score_loss

from fer_fast import Colony, EvaluationCut, ForestFitness
from fer_fast._core import Forest
from fer_fast.errors import ParameterError

N_ROWS, N_COPIES = 500, 12


@pytest.fixture(scope="module")
def rows():
    """Three causes of three classes, noisy copies of the first, and noise."""
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(N_ROWS, 3))
    copies = causes[:, :1] + 0.3 * rng.normal(size=(N_ROWS, N_COPIES))
    X = np.hstack([causes, copies, rng.normal(size=(N_ROWS, 25))]).astype(np.float32)
    y = np.array(["no", "perhaps", "yes"])[np.digitize(causes @ [1.2, 0.8, 0.8], [-0.8, 0.8])]
    return X, y


def make(rows, **parameters):
    return ForestFitness(*rows, **{"n_estimators": 40, "scoring": "brier", **parameters})


def halves(rows):
    X, y = rows
    return X[::2], y[::2], X[1::2], y[1::2]


@pytest.mark.parametrize("engine", ["native", "sklearn"])
@pytest.mark.parametrize("part", [tuple, halves])
def test_brier_is_one_minus_scikit_learns(rows, engine, part):
    rows = part(rows)
    fitness = make(rows, engine=engine)
    subset = np.arange(0, 20, 2)
    expected = brier_score_loss(rows[-1], fitness.predict_proba(subset), scale_by_half=False)
    assert fitness(subset) == pytest.approx(1 - expected, rel=1e-12)


def test_brier_leaves_out_rows_without_a_prediction(rows):
    fitness = make(rows, n_estimators=2)
    probabilities = fitness.predict_proba(np.arange(5))
    known = ~np.isnan(probabilities[:, 0])
    assert 0 < known.sum() < N_ROWS
    expected = brier_score_loss(rows[1][known], probabilities[known], scale_by_half=False)
    assert fitness(np.arange(5)) == pytest.approx(1 - expected, rel=1e-12)


@pytest.mark.parametrize("part", [tuple, halves])
def test_credit_comes_beside_the_score_of_the_same_forest(rows, part):
    subset = np.arange(3, 30)
    for credit in ("gain", "residual"):
        score, earned = make(part(rows), credit=credit)(subset)
        fitness = make(part(rows), credit=credit)
        is_true = part(rows)[-1][:, np.newaxis] == fitness.classes_
        p = fitness.predict_proba(subset)
        assert score == pytest.approx(np.mean(2 * p[is_true] - (p**2).sum(axis=1)), rel=1e-12)
        assert earned.shape == subset.shape
        assert np.isfinite(earned).all()


def by_hand(fitness, rows, credited, subset):
    """Return the credit of `subset` against what `credited` leave, from the forest itself."""
    X, y = rows
    classes, labels = np.unique(y, return_inverse=True)
    forest = Forest(X, labels.astype(np.uint8), len(classes), n_trees=40, draws=N_ROWS)
    residual = np.eye(len(classes))[labels]
    if credited:
        residual -= np.mean([fitness.predict_proba(one) for one in credited], axis=0)
    # The seed is the fitness' own: the one whose forest has these probabilities.
    probabilities, credit = forest.evaluate(subset, fitness._seed(subset), 1, residual)
    np.testing.assert_array_equal(probabilities, fitness.predict_proba(subset))
    return credit


def test_features_earn_against_what_the_credited_leave(rows):
    fitness = make(rows, credit="residual")
    subset, others = np.arange(10), [np.arange(2, 9), np.arange(0, 30, 3), np.arange(2, 9)]
    for credited in ([], others, others[:1], []):
        fitness.next_iteration(credited)
        earned = fitness(subset)[1]
        expected = by_hand(fitness, rows, credited, subset)
        np.testing.assert_allclose(earned, expected, atol=1e-4)


def test_the_same_residual_comes_of_what_was_kept_and_of_what_is_grown_again(rows):
    kept, again = make(rows, credit="residual"), make(rows, credit="residual")
    credited = [np.arange(4), np.arange(2, 12)]
    for subset in reversed(credited):
        kept(subset)
    kept.next_iteration(credited)
    again.next_iteration(credited)
    np.testing.assert_array_equal(kept(np.arange(9))[1], again(np.arange(9))[1])


def test_every_subset_has_a_forest_seed_of_its_own_where_features_are_credited(rows):
    def left_out(fitness, subset):
        return np.isnan(fitness.predict_proba(subset)[:, 0]).tolist()

    subsets = [np.arange(3), np.arange(4), np.arange(5)]
    same = make(rows, n_estimators=2)
    own = make(rows, n_estimators=2, credit="gain")
    other = make(rows, n_estimators=2, credit="gain", random_state=1)
    assert len({tuple(left_out(same, subset)) for subset in subsets}) == 1
    assert len({tuple(left_out(one, s)) for one in (own, other) for s in subsets}) == 6
    assert left_out(own, subsets[0]) == left_out(own, subsets[0])


def test_rows_that_every_tree_drew_are_left_to_the_others(rows):
    fitness = make(rows, credit="residual", n_estimators=1)
    fitness.next_iteration([np.arange(4), np.arange(3, 9)])
    score, earned = fitness(np.arange(9))
    assert np.isfinite(score)
    assert np.isfinite(earned).all()


def test_copies_of_what_is_explained_earn_nothing(rows):
    subset = np.arange(15)
    copies = slice(3, 15)
    gain = make(rows, credit="gain")(subset)[1]
    fitness = make(rows, credit="residual")
    fitness.next_iteration([np.array([0, 3, 4, 5])])
    left = fitness(subset)[1]
    share = [earned[1:3].clip(0).sum() / earned.clip(0).sum() for earned in (gain, left)]
    assert gain[copies].min() > 0
    assert share[1] > 1.5 * share[0]


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_a_colony_of_forests_is_the_same_for_any_number_of_threads_and_restarts(rows, n_jobs):
    def colony():
        return Colony(np.ones(40), deposit="credit", n_ants=4, seed=1, **size)

    size = {"min_features": 3, "max_features": 3, "sizes": "annealed"}
    whole, parts = colony(), colony()
    whole.run(make(rows, credit="residual"), n_iterations=8)
    while parts.iteration < whole.iteration:
        parts = Colony.from_json(parts.to_json())
        at = parts.evaluations + 5
        parts.run(
            make(rows, credit="residual"),
            n_iterations=whole.iteration - parts.iteration,
            n_jobs=n_jobs,
            callback=lambda event, at=at: event.evaluations >= at,
        )
    assert parts.to_json() == whole.to_json()


def test_ants_with_credit_find_the_causes_where_a_ranking_takes_copies(rows):
    ranked = np.argsort(-f_classif(*rows)[0])[:3]
    size = {"min_features": 3, "max_features": 3, "sizes": "annealed"}
    ants = Colony(np.ones(40), deposit="credit", n_ants=5, beta=0.0, rho=0.5, **size)
    ants.run(make(rows, credit="residual"), n_iterations=12)
    assert {1, 2} <= set(ants.answer.tolist())
    assert not {1, 2} & set(ranked.tolist())
    judge = make(rows)
    assert judge(ants.answer) > judge(np.sort(ranked)) + 0.05


def test_the_deadline_holds_while_forests_are_grown_again(rows):
    fitness = make(rows, credit="residual")
    fitness.deadline = time.monotonic() - 1
    fitness.next_iteration([])
    with pytest.raises(EvaluationCut):
        fitness.next_iteration([np.arange(4)])
    with pytest.raises(EvaluationCut):
        fitness(np.arange(4))
    fitness.deadline = None
    fitness.next_iteration([np.arange(4)])
    np.testing.assert_allclose(
        fitness(np.arange(6))[1], by_hand(fitness, rows, [np.arange(4)], np.arange(6)), atol=1e-4
    )


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"credit": "much"}, 'unknown credit .much.: use None, "residual" or "gain"'),
        ({"credit": "gain", "engine": "sklearn"}, 'only the engine "native"'),
        ({"scoring": "auc"}, "use one of brier, accuracy, f1_macro"),
    ],
)
def test_refuses_a_credit_that_nobody_gives(rows, parameters, says):
    with pytest.raises(ParameterError, match=says):
        make(rows, **parameters)
    with pytest.raises(ParameterError, match="features 0 to 39"):
        make(rows, credit="gain")(np.array([40]))
