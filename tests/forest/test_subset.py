"""The final forest."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

from fer_fast.forest.hist_forest import HistForestClassifier
from fer_fast.forest.subset import SubsetForests


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


SUBSET = np.array([3, 10, 20, 21, 28, 36, 43, 60])


@pytest.mark.parametrize(
    ("engine", "kind"), [("native", HistForestClassifier), ("sklearn", RandomForestClassifier)]
)
def test_it_is_the_engines_forest_on_the_chosen_columns(digits, engine, kind):
    X, y = digits
    forests = SubsetForests(X[:1000], y[:1000], engine, n_estimators=7, random_state=3)
    for subset in (SUBSET, np.arange(X.shape[1]), SUBSET[:1]):
        classifier = forests.fit(subset)
        expected = kind(7, random_state=3).fit(X[:1000, subset], y[:1000])
        said = classifier.predict_proba(X[1000:], 10)
        assert np.array_equal(said, expected.predict_proba(X[1000:, subset]))
        assert np.array_equal(classifier.forest.feature_importances_, expected.feature_importances_)


def test_other_columns_and_threads_do_not_matter(digits):
    X, y = digits
    rest = np.setdiff1d(np.arange(X.shape[1]), SUBSET)
    scrambled = X.copy()
    scrambled[:, rest] = np.random.default_rng(0).normal(size=(len(X), len(rest)))
    one = SubsetForests(X[:1000], y[:1000], n_estimators=7, n_jobs=1).fit(SUBSET)
    two = SubsetForests(scrambled[:1000], y[:1000], n_estimators=7, n_jobs=2).fit(SUBSET)
    assert np.array_equal(one.predict(X[1000:]), two.predict(scrambled[1000:]))
