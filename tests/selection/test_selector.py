from __future__ import annotations

import doctest
import pickle
import re
import signal
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, make_regression
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import chi2, f_classif, f_regression, mutual_info_classif
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    PredefinedSplit,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fer_fast import AntColonySelector, Colony
from fer_fast.selection import selector


@parametrize_with_checks(
    [
        AntColonySelector(**parameters, n_ants=3, n_iterations=2, cv=3, random_state=0)
        for parameters in (
            {},
            {"estimator": GaussianNB()},
            {"estimator": BernoulliNB(), "n_features_to_select": 0.5},
            {"estimator": LinearRegression(), "n_features_to_select": 1},
            {"estimator": HistGradientBoostingClassifier(max_iter=1), "n_features_to_select": 1},
            {"estimator": GaussianNB(), "holdout": 0.3},
        )
    ]
)
def test_scikit_learn_finds_nothing_to_say(estimator: Any, check: Any) -> None:
    check(estimator)


def small(estimator: Any = None, **parameters: Any) -> AntColonySelector:
    parameters = {"n_ants": 6, "cv": 3, "random_state": 0} | parameters
    return AntColonySelector(GaussianNB() if estimator is None else estimator, **parameters)


def judged(selector: AntColonySelector) -> int:
    return int(selector.history_["evaluations"].sum())


@pytest.mark.parametrize("seed", range(3))
def test_planted_features_are_found(planted: Any, seed: int) -> None:
    X, y = planted
    shuffled = np.random.default_rng(seed).permutation(40)
    fitted = small(n_ants=20, random_state=seed).fit(X[:, shuffled], y)
    found = set(shuffled[fitted.get_support(indices=True)])
    assert found >= {0, 1, 2, 3}
    assert len(found) <= 8
    assert fitted.best_score_ > cross_val_score(GaussianNB(), X, y, cv=3).mean()


def test_it_is_the_colony_around_cross_val_score(planted: Any) -> None:
    X, y = planted
    fitted = small(alpha=0.7, beta=2.0, q0=0.5, rho=0.3, phi=0.9, max_features=9).fit(X, y)

    desirability = scaled(f_classif(X, y)[0])
    colony = Colony(
        desirability,
        n_ants=6,
        alpha=0.7,
        beta=2.0,
        q0=0.5,
        rho=0.3,
        phi=0.9,
        max_features=9,
        seed=0,
    )
    for _ in range(3):
        subsets = colony.ask()
        colony.tell([cross_val_score(GaussianNB(), X[:, s], y, cv=3).mean() for s in subsets])

    np.testing.assert_allclose(fitted.desirability_, desirability)
    np.testing.assert_array_equal(fitted.get_support(indices=True), colony.best_subset)
    np.testing.assert_allclose(fitted.pheromone_, colony.pheromone)
    assert fitted.best_score_ == pytest.approx(colony.best_score)
    assert fitted.n_features_ == fitted.support_.sum() == len(colony.best_subset)
    assert list(fitted.history_["best_size"]) == [row["best_size"] for row in colony.history]
    assert pd.DataFrame(fitted.history_).shape == (3, len(colony.history[0]))


def test_the_score_can_be_checked_by_hand(planted: Any) -> None:
    X, y = planted
    validation = PredefinedSplit(np.where(np.arange(len(y)) % 4 == 0, 0, -1))
    fitted = small(cv=validation, scoring="f1_macro").fit(X, y)
    kept = fitted.transform(X)
    score = cross_val_score(GaussianNB(), kept, y, cv=validation, scoring="f1_macro")
    assert fitted.best_score_ == pytest.approx(score.item())


@pytest.mark.parametrize("n_jobs", [4, -1])
def test_any_number_of_threads_gives_the_same_result(planted: Any, n_jobs: int) -> None:
    cv = ShuffleSplit(2, random_state=0)
    alone, many = (
        small(cv=cv, n_jobs=n, random_state=np.random.RandomState(7)).fit(*planted)
        for n in (None, n_jobs)
    )
    np.testing.assert_array_equal(alone.pheromone_, many.pheromone_)
    assert alone.best_score_ == many.best_score_
    assert alone.history_["mean_score"].tolist() == many.history_["mean_score"].tolist()


def test_an_unseeded_splitter_is_split_once(planted: Any) -> None:
    X, y = planted
    calls = []

    class Counting(ShuffleSplit):
        def split(self, *arguments: Any) -> Any:
            calls.append(arguments)
            return super().split(*arguments)

    fitted = small(cv=Counting(1)).fit(X, y)
    assert len(calls) == 1
    assert judged(fitted) > 1


def test_no_subset_is_judged_twice(planted: Any) -> None:
    fitted = small(min_features=40).fit(*planted)
    assert judged(fitted) == 1
    assert fitted.stop_reason_ == "converged"
    assert fitted.support_.all()


@pytest.mark.parametrize(("low", "high"), [(1, 1), (5, 7), (40, None)])
def test_sizes_stay_within_their_bounds(planted: Any, low: int, high: int | None) -> None:
    fitted = small(min_features=low, max_features=high).fit(*planted)
    assert low <= fitted.n_features_ <= (high or 40)


def test_names_pass_through_a_pipeline(planted: Any) -> None:
    X, y = planted
    frame = pd.DataFrame(X, columns=[f"gene {i}" for i in range(40)]).set_index(np.arange(200) + 5)
    pipeline = make_pipeline(StandardScaler(), small()).set_output(transform="pandas")
    kept = pipeline.fit_transform(frame, y)
    support = pipeline[-1].support_
    assert list(kept.columns) == list(frame.columns[support])
    assert list(pipeline.get_feature_names_out()) == list(kept.columns)
    assert list(pipeline[-1].feature_names_in_) == list(frame.columns)
    assert kept.index.equals(frame.index)


def test_a_grid_search_tunes_it(planted: Any) -> None:
    X, y = planted
    pipeline = make_pipeline(small(n_iterations=1), GaussianNB())
    grid = {
        "antcolonyselector__max_features": [1, 8],
        "antcolonyselector__estimator__var_smoothing": [1e-9, 1e6],
    }
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    # One of four planted features tells less than several; so does an absurd smoothing.
    assert list(search.best_params_.values()) == [1e-9, 8]
    assert search.best_estimator_.score(X, y) > 0.85


def test_a_fitted_selector_survives_pickling(planted: Any) -> None:
    X, y = planted
    fitted = small().fit(X, y)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.transform(X), X[:, fitted.support_])


def scaled(scores: np.ndarray) -> np.ndarray:
    """Divide by the 99th percentile, then bend what is beyond it and lift what is far below."""
    share = np.maximum(scores / np.quantile(scores[scores > 0], 0.99), 0.01)
    return np.where(share > 1, 1 + np.log(share), share)


@pytest.mark.parametrize(
    ("desirability", "expected"),
    [
        ("f_classif", lambda X, y: scaled(f_classif(X, y)[0])),
        ("f_regression", lambda X, y: scaled(f_regression(X, y)[0])),
        (
            "mutual_info",
            lambda X, y: scaled(
                mutual_info_classif(X, y, random_state=np.random.RandomState(0))
            ),
        ),
        (chi2, lambda X, y: scaled(chi2(X, y)[0])),
        (lambda X, y: X.mean(axis=0), lambda X, y: scaled(X.mean(axis=0))),  # noqa: ARG005
        (np.arange(64.0), lambda X, y: np.arange(64.0)),  # noqa: ARG005
    ],
)  # fmt: skip
def test_desirability_is_what_was_asked_for(desirability: Any, expected: Any) -> None:
    X, y = load_digits(return_X_y=True)
    # Without constant pixels, whose F is undefined.
    X = X[:300] + np.random.default_rng(0).random((300, 64))
    y = y[:300]
    fitted = small(desirability=desirability, n_ants=2, n_iterations=1).fit(X, y)
    np.testing.assert_allclose(fitted.desirability_, expected(X, y))


def test_a_regressor_gets_regression_scores() -> None:
    X, y = make_regression(n_samples=150, n_features=20, n_informative=3, random_state=0)
    X[:, 19] = 1.0
    fitted = small(LinearRegression(), n_ants=20).fit(X, y)
    F = f_regression(X[:, :19], y)[0]
    np.testing.assert_allclose(fitted.desirability_[:19], scaled(F))
    assert fitted.desirability_[19] == 0.01
    assert fitted.best_score_ > 0.99


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"desirability": np.ones(39)}, "desirability has shape (39,)"),
        ({"desirability": -np.ones(40)}, "desirability"),
        ({"min_features": 41}, "min_features is 41"),
        ({"min_features": 5, "max_features": 4}, "min_features is 5"),
        ({"q0": 1.5}, "'q0' parameter"),
        ({"n_ants": 0}, "'n_ants' parameter"),
        ({"scoring": "nonsense"}, "'scoring' parameter"),
        ({"desirability": "nonsense"}, "'desirability' parameter"),
    ],
)
def test_a_wrong_parameter_is_named(planted: Any, parameters: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        small(**parameters).fit(*planted)


def test_sparse_gives_what_dense_gives() -> None:
    X, y = load_digits(return_X_y=True)
    dense = small(MultinomialNB(), n_ants=3).fit(X[:300], y[:300])
    sparse = small(MultinomialNB(), n_ants=3).fit(csr_array(X[:300]), y[:300])
    np.testing.assert_allclose(sparse.pheromone_, dense.pheromone_)
    np.testing.assert_array_equal(
        sparse.transform(csr_array(X)).toarray(), X[:, dense.support_]
    )  # fmt: skip


def test_sparse_is_refused_where_the_estimator_takes_none(planted: Any) -> None:
    X, y = planted
    with pytest.raises(TypeError, match="Sparse data was passed"):
        small(GaussianNB()).fit(csr_array(X), y)


class Witness(ClassifierMixin, BaseEstimator):
    """Checks that what reaches its fit belongs to the rows that reach it: X is the row's number."""

    seen: list[dict[str, Any]] = []  # noqa: RUF012 - clones share it

    def fit(self, X: Any, y: Any, sample_weight: Any = None, label: str = "") -> Witness:
        self.classes_ = np.unique(y)
        weight_matches = sample_weight is not None and np.array_equal(X[:, 0], sample_weight)
        config = sklearn.get_config()
        self.seen.append({"weight": weight_matches, "label": label, "config": config})
        return self

    def predict(self, X: Any) -> np.ndarray:
        return np.full(len(X), self.classes_[0])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:  # noqa: ARG002
        if sample_weight is None:
            return 0.0
        return 1.0 if np.array_equal(X[:, 0], sample_weight) else -1.0


@pytest.fixture
def witness() -> Witness:
    Witness.seen.clear()
    return Witness()


ROWS = np.arange(60.0)
ROW_CLASSES = np.arange(60) % 2


def test_fit_parameters_reach_the_estimator_row_by_row(witness: Witness) -> None:
    fitted = small(witness).fit(ROWS[:, None], ROW_CLASSES, sample_weight=ROWS, label="as it is")
    assert [entry["weight"] for entry in witness.seen] == [True] * 3
    assert {entry["label"] for entry in witness.seen} == {"as it is"}
    assert fitted.best_score_ == 0.0, "without routing, the score gets no weights"


def test_groups_reach_the_splitter() -> None:
    X, y = ROWS[:, None], ROW_CLASSES
    selector = small(cv=GroupKFold(3))
    with pytest.raises(ValueError, match="groups"):
        selector.fit(X, y)
    assert selector.fit(X, y, groups=np.arange(60) // 10).n_features_ == 1


def test_metadata_is_routed_to_whoever_requested_it(witness: Witness) -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        witness.set_fit_request(sample_weight=True, label=False)
        witness.set_score_request(sample_weight=True)
        selector = small(witness, cv=GroupKFold(3), n_jobs=2)
        groups = np.arange(60) // 10
        selector.fit(ROWS[:, None], ROW_CLASSES, sample_weight=ROWS, groups=groups)
        assert [entry["weight"] for entry in witness.seen] == [True] * 3
        assert selector.best_score_ == 1.0

        with pytest.raises(TypeError, match="unexpected argument"):
            selector.fit(ROWS[:, None], ROW_CLASSES, sample_weight=ROWS, groups=groups, colour=1)
        witness.set_score_request(sample_weight=None)
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError, match="sample_weight"):
            selector.fit(ROWS[:, None], ROW_CLASSES, sample_weight=ROWS, groups=groups)


def test_metadata_is_routed_to_a_scorer(planted: Any) -> None:
    X, y = planted
    weights = np.random.default_rng(0).random(200)
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        model = GaussianNB().set_fit_request(sample_weight=True)
        fitted = small(model, scoring=scorer).fit(X, y, sample_weight=weights)
        by_hand = cross_val_score(
            model, X[:, fitted.support_], y, cv=3, scoring=scorer,
            params={"sample_weight": weights},
        )  # fmt: skip
    assert fitted.best_score_ == pytest.approx(by_hand.mean())


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_the_configuration_reaches_the_colonys_threads(witness: Witness, n_jobs: int) -> None:
    with sklearn.config_context(working_memory=123):
        small(witness, n_jobs=n_jobs).fit(ROWS[:, None], ROW_CLASSES)
    assert {entry["config"]["working_memory"] for entry in witness.seen} == {123}


def test_callbacks_are_told_and_may_end_the_search(planted: Any) -> None:
    heard: list[Any] = []
    fitted = small(phi=1.0, callbacks=[lambda e: e.evaluations == 3, heard.append]).fit(*planted)
    assert fitted.stop_reason_ == "callback"
    assert [event.evaluations for event in heard] == [1, 2, 3]
    assert fitted.best_score_ == max(event.score for event in heard)
    assert list(fitted.history_["complete"]) == [False]


def test_an_exhausted_budget_still_gives_a_result(planted: Any) -> None:
    fitted = small(time_budget=0).fit(*planted)
    assert fitted.stop_reason_ == "time_budget"
    assert judged(fitted) == 1
    assert fitted.transform(planted[0]).shape[1] == fitted.n_features_ > 0


def test_verbose_prints_a_line_per_iteration(planted: Any, capsys: Any) -> None:
    fitted = small(n_ants=20, verbose=1).fit(*planted)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        f"[AntColonySelector] iteration {i}/3" for i in (1, 2, 3)
    ]
    assert f"best score {fitted.best_score_:.4f} with {fitted.n_features_} features" in lines[-1]
    assert f"{judged(fitted)} subsets judged" in lines[-1]


class Failing(GaussianNB):
    """Fails in its own way."""

    def __init__(self, error: type[BaseException] = ZeroDivisionError) -> None:
        super().__init__()
        self.error = error

    def fit(self, X: Any, y: Any) -> Failing:  # noqa: ARG002
        raise self.error("in a fold")


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_of_the_estimator_surfaces(planted: Any, error: type[BaseException]) -> None:
    failing = small(Failing(error), error_score="raise")
    with pytest.raises(error):
        failing.fit(*planted)
    with pytest.raises(NotFittedError):
        failing.get_support()


INTERRUPTED = """
import time, warnings
import numpy as np
from sklearn.naive_bayes import GaussianNB
from fer_fast import AntColonySelector, PartialResultWarning

class Slow(GaussianNB):
    def fit(self, X, y):
        time.sleep(0.05)
        return super().fit(X, y)

X = np.random.default_rng(0).random((60, 30))
selector = AntColonySelector(
    Slow(), n_iterations=1000, cv=2, n_jobs=2, random_state=0,
    callbacks=[lambda event: print("judged", flush=True)],
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    selector.fit(X, np.arange(60) % 2)
assert [w.category for w in caught] == [PartialResultWarning], caught
assert caught[0].filename == __file__, caught[0].filename
assert selector.stop_reason_ == "interrupted"
assert selector.transform(X).shape == (60, selector.n_features_)
print("kept", selector.n_features_)
"""


def test_ctrl_c_keeps_the_best_so_far_and_says_so(tmp_path: Any) -> None:
    script = tmp_path / "search.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "judged\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert re.fullmatch(r"(judged\n)*kept \d+\n", out), out


def test_the_documented_example_is_true() -> None:
    with warnings.catch_warnings(action="error"):
        result = doctest.testmod(selector)
    assert result.attempted >= 5
    assert result.failed == 0
