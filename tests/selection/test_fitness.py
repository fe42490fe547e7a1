from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from fer_fast.errors import DataError, ParameterError
from fer_fast.selection import EvaluationCut, ForestFitness


@pytest.fixture(scope="module")
def rows():
    X, y = make_classification(
        400, 30, n_informative=8, n_classes=4, class_sep=0.8, shuffle=False, random_state=0
    )
    order = np.random.default_rng(0).permutation(400)
    X, y = X[order].astype(np.float32), y[order]
    return X[:300], y[:300], X[300:], y[300:]


def test_sklearn_engine_is_scikit_learns_forest(rows):
    X_train, y_train, X_val, y_val = rows
    subset = np.array([0, 3, 4, 7, 20])
    forest = RandomForestClassifier(25, random_state=3).fit(X_train[:, subset], y_train)
    predicted = forest.predict(X_val[:, subset])
    params = {"engine": "sklearn", "n_estimators": 25, "random_state": 3}
    assert ForestFitness(*rows, **params)(subset) == f1_score(y_val, predicted, average="macro")
    accuracy = ForestFitness(*rows, scoring="accuracy", **params)(subset)
    assert accuracy == accuracy_score(y_val, predicted)


def test_is_a_pure_function_of_the_subset_from_any_thread(rows):
    fitness = ForestFitness(*rows, engine="sklearn", n_estimators=10)
    subsets = [np.arange(k, 30, 3) for k in range(3)] * 2
    with ThreadPoolExecutor(3) as pool:
        scores = list(pool.map(fitness, subsets))
    assert scores[:3] == scores[3:] == [fitness(subset) for subset in subsets[:3]]


def test_informative_features_score_higher(rows):
    fitness = ForestFitness(*rows, engine="sklearn", n_estimators=30)
    assert fitness(np.arange(8)) > fitness(np.arange(20, 28)) + 0.2


def test_no_evaluation_after_the_deadline(rows):
    fitness = ForestFitness(*rows, engine="sklearn", n_estimators=5)
    fitness.deadline = time.monotonic() - 1
    with pytest.raises(EvaluationCut):
        fitness(np.arange(3))
    fitness.deadline = None
    assert 0 < fitness(np.arange(3)) <= 1


def test_refuses_wrong_subsets_and_data(rows):
    fitness = ForestFitness(*rows, engine="sklearn", n_estimators=5)
    for subset in ([], [30], [-1]):
        with pytest.raises(ParameterError, match="features 0 to 29"):
            fitness(np.array(subset, dtype=np.int64))
    X_train, y_train, X_val, y_val = rows
    with pytest.raises(DataError, match="does not match 299 labels"):
        ForestFitness(X_train, y_train[1:], X_val, y_val)
    with pytest.raises(DataError, match="they must agree"):
        ForestFitness(X_train, y_train, X_val[:, :4], y_val)
    with pytest.raises(ParameterError, match="unknown scoring"):
        ForestFitness(*rows, scoring="auc")
    with pytest.raises(ParameterError, match="unknown fitness engine"):
        ForestFitness(*rows, engine="lightgbm")
