from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from fer_fast import EvaluationCut, ForestFitness
from fer_fast.errors import DataError, ParameterError

both_engines = pytest.mark.parametrize("engine", ["native", "sklearn"])


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        600, 30, n_informative=8, n_classes=4, class_sep=0.8, shuffle=False, random_state=0
    )
    order = np.random.default_rng(0).permutation(600)
    X, y = X[order].astype(np.float32), y[order]
    return X[:400], y[:400], X[400:], y[400:]


def test_sklearn_engine_is_scikit_learns_forest(rows):
    X_train, y_train, X_val, y_val = rows
    subset = np.array([0, 3, 4, 7, 20])
    forest = RandomForestClassifier(25, random_state=3).fit(X_train[:, subset], y_train)
    predicted = forest.predict(X_val[:, subset])
    params = {"engine": "sklearn", "n_estimators": 25, "random_state": 3}
    assert ForestFitness(*rows, **params)(subset) == f1_score(y_val, predicted, average="macro")
    accuracy = ForestFitness(*rows, scoring="accuracy", **params)(subset)
    assert accuracy == accuracy_score(y_val, predicted)


@both_engines
def test_score_is_scikit_learns_metric_of_the_mean_vote(rows, engine):
    # Labels that are no small integers, and one that only the validation rows know.
    X_train, y_train, X_val, y_val = rows
    names = np.array(["sad", "angry", "happy", "fear", "neutral"])
    y_val = names[np.where(np.arange(len(y_val)) < 9, 4, y_val)]
    for scoring, metric in (
        ("accuracy", accuracy_score),
        ("f1_macro", lambda *y: f1_score(*y, average="macro", zero_division=0)),
    ):
        fitness = ForestFitness(
            X_train, names[y_train], X_val, y_val, engine=engine, n_estimators=15, scoring=scoring
        )
        subset = np.arange(12)
        probabilities = fitness.predict_proba(subset)
        assert fitness.classes_.tolist() == ["angry", "fear", "happy", "sad"]
        assert probabilities.shape == (200, 4)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        predicted = fitness.classes_[probabilities.argmax(axis=1)]
        assert fitness(subset) == metric(y_val, predicted)


@both_engines
def test_is_a_pure_function_of_the_subset_from_any_thread(rows, engine):
    fitness = ForestFitness(*rows, engine=engine, n_estimators=10)
    subsets = [np.arange(k, 30, 3) for k in range(3)] * 2
    with ThreadPoolExecutor(3) as pool:
        scores = list(pool.map(fitness, subsets))
    assert scores[:3] == scores[3:] == [fitness(subset) for subset in subsets[:3]]


@both_engines
def test_informative_features_score_higher(rows, engine):
    fitness = ForestFitness(*rows, engine=engine, n_estimators=30)
    assert fitness(np.arange(8)) > fitness(np.arange(20, 28)) + 0.2


@both_engines
def test_another_seed_is_another_forest_of_about_the_same_score(rows, engine):
    fitness = ForestFitness(*rows, engine=engine, n_estimators=60)
    first = fitness.predict_proba(np.arange(8))
    fitness.random_state = 1
    second = fitness.predict_proba(np.arange(8))
    assert not np.array_equal(first, second)
    assert np.abs(first - second).mean() < 0.1


@both_engines
def test_without_validation_rows_scores_out_of_bag(rows, engine):
    X_train, y_train, _, _ = rows
    fitness = ForestFitness(X_train, y_train, engine=engine, n_estimators=60, scoring="accuracy")
    probabilities = fitness.predict_proba(np.arange(8))
    assert probabilities.shape == (400, 4)
    reference = RandomForestClassifier(60, oob_score=True, random_state=5)
    reference.fit(X_train[:, :8], y_train)
    assert fitness(np.arange(8)) == pytest.approx(reference.oob_score_, abs=0.05)


@both_engines
def test_out_of_bag_leaves_out_rows_that_every_tree_drew(rows, engine):
    X_train, y_train, _, _ = rows
    fitness = ForestFitness(X_train, y_train, engine=engine, n_estimators=1, scoring="accuracy")
    probabilities = fitness.predict_proba(np.arange(8))
    drawn = np.isnan(probabilities).all(axis=1)
    # A bootstrap draws 1 - 1/e of the rows.
    assert drawn.mean() == pytest.approx(0.632, abs=0.08)
    right = fitness.classes_[probabilities[~drawn].argmax(axis=1)] == y_train[~drawn]
    assert fitness(np.arange(8)) == right.mean()


def test_a_tree_that_drew_a_twin_scores_neither(rows):
    X_train, y_train, _, _ = rows
    # Numbers of groups are only names.
    groups = np.repeat(np.arange(100) * -7, 4)
    fitness = ForestFitness(X_train, y_train, n_estimators=1, twin_groups=groups)
    drawn = np.isnan(fitness.predict_proba(np.arange(8))).all(axis=1)
    of_group = drawn.reshape(100, 4)
    assert (of_group.all(axis=1) | ~of_group.any(axis=1)).all()
    # A bootstrap spares a group of four with a chance of exp(-4).
    assert 0 < (~drawn).mean() < 0.1
    alone = ForestFitness(X_train, y_train, n_estimators=5, twin_groups=np.arange(400))
    plain = ForestFitness(X_train, y_train, n_estimators=5)
    for one in (np.arange(8), np.arange(3, 30)):
        np.testing.assert_array_equal(alone.predict_proba(one), plain.predict_proba(one))


@both_engines
def test_rows_that_are_not_judged_are_drawn_alone(rows, engine):
    X_train, y_train, _, _ = rows
    judged = np.arange(400) % 3 > 0
    parts = {"engine": engine, "n_estimators": 60, "scoring": "brier"}
    fitness = ForestFitness(X_train, y_train, is_judged=judged, **parts)
    everything = ForestFitness(X_train, y_train, **parts).predict_proba(np.arange(8))
    said = fitness.predict_proba(np.arange(8))
    assert np.isnan(said[~judged]).all()
    np.testing.assert_array_equal(said[judged], everything[judged])
    is_true = y_train[judged, np.newaxis] == fitness.classes_
    expected = 1 - ((everything[judged] - is_true) ** 2).sum(axis=1).mean()
    assert fitness(np.arange(8)) == pytest.approx(expected)


def test_rows_that_are_not_judged_earn_nothing(rows):
    X_train, y_train, _, _ = rows
    judged = np.arange(400) % 2 == 0
    subset = np.arange(12)

    def earned(is_judged):
        fitness = ForestFitness(X_train, y_train, credit="gain", is_judged=is_judged)
        return fitness(subset)[1]

    # Credit is a sum over rows.
    total = earned(judged) + earned(~judged)
    np.testing.assert_allclose(total, earned(None), rtol=1e-9)
    assert (earned(judged) != earned(~judged)).all()


@both_engines
def test_no_evaluation_after_the_deadline(rows, engine):
    fitness = ForestFitness(*rows, engine=engine, n_estimators=5)
    fitness.deadline = time.monotonic() - 1
    with pytest.raises(EvaluationCut):
        fitness(np.arange(3))
    fitness.deadline = None
    assert 0 < fitness(np.arange(3)) <= 1


@both_engines
def test_refuses_wrong_subsets_and_data(rows, engine):
    fitness = ForestFitness(*rows, engine=engine, n_estimators=5)
    for subset in ([], [30], [-1]):
        with pytest.raises(ParameterError, match="features 0 to 29"):
            fitness(np.array(subset, dtype=np.int64))
    X_train, y_train, X_val, y_val = rows
    with pytest.raises(DataError, match="does not match 399 labels"):
        ForestFitness(X_train, y_train[1:], X_val, y_val, engine=engine)
    with pytest.raises(DataError, match="they must agree"):
        ForestFitness(X_train, y_train, X_val[:, :4], y_val, engine=engine)


OUT_OF_BAG = {"X_val": None, "y_val": None}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scoring": "auc"}, "unknown scoring 'auc'"),
        ({"engine": "lightgbm"}, "unknown fitness engine 'lightgbm'"),
        ({"class_weight": "subsample"}, "unknown class_weight"),
        ({"n_estimators": 0}, "n_estimators is 0"),
        ({"max_depth": 0}, "max_depth is 0"),
        ({"min_samples_leaf": 0}, "min_samples_leaf is 0"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"n_jobs": 100_000}, "n_jobs is 100000: use at most 4096"),
        ({"n_estimators": 10**12}, "n_estimators is 1000000000000: use at most"),
        ({"random_state": -1}, "random_state is -1: use at least 0"),
        ({"random_state": 2**32}, "random_state is 4294967296: use at most 4294967295"),
        ({"max_samples": 401}, "max_samples is 401"),
        ({"max_samples": 1.5}, "max_samples is 1.5"),
        ({"y_val": None}, "go together"),
        ({"twin_groups": np.arange(400)}, "give no validation rows"),
        (OUT_OF_BAG | {"twin_groups": np.arange(3)}, "twin_groups of shape"),
        (OUT_OF_BAG | {"is_judged": np.zeros(400, bool)}, "is_judged names no row"),
        (
            OUT_OF_BAG | {"twin_groups": np.arange(400), "engine": "sklearn"},
            'only the engine "native" keeps the twins',
        ),
    ],
)
def test_refuses_wrong_parameters(rows, wrong, message):
    named = dict(zip(("X_train", "y_train", "X_val", "y_val"), rows, strict=True))
    with pytest.raises(ParameterError, match=message):
        ForestFitness(**{**named, **wrong})


@both_engines
def test_bounds_beyond_the_rows_are_no_bounds(rows, engine):
    params = {"engine": engine, "n_estimators": 5}
    unbounded = ForestFitness(*rows, **params).predict_proba(np.arange(5))
    deep = ForestFitness(*rows, max_depth=10**30, **params).predict_proba(np.arange(5))
    np.testing.assert_array_equal(deep, unbounded)
    stump = ForestFitness(*rows, min_samples_leaf=10**30, **params).predict_proba(np.arange(5))
    assert len(np.unique(stump, axis=0)) == 1


def test_native_engine_refuses_values_that_are_not_finite(rows):
    X_train, y_train, X_val, y_val = rows
    X_wrong = X_train.copy()
    X_wrong[5, 7] = np.inf
    with pytest.raises(DataError, match="column 7 holds NaN or infinite values"):
        ForestFitness(X_wrong, y_train, X_val, y_val)
