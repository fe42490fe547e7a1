"""The selector as a citizen: what reaches the estimator, and what becomes of its failures."""

from __future__ import annotations

import pickle
import signal
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import clone
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.feature_selection import f_classif
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fer_fast import EvaluationCut, ParameterError, PartialResultWarning


@pytest.fixture
def table() -> tuple[np.ndarray, np.ndarray]:
    """60 rows of 8 features, of which the first tells the classes, in writable memory."""
    X, y = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) % 2
    X[:, 0] += 2 * y
    return X, y


def with_gaps(X: np.ndarray, column: int = 0) -> np.ndarray:
    X = X.copy()
    X[::7, column] = np.nan
    return X


boosting = HistGradientBoostingClassifier(max_iter=3)
imputing = make_pipeline(SimpleImputer(), GaussianNB())


class Forgiving(ClassifierMixin, BaseEstimator):
    """Takes missing values, and has no tag that says so."""

    def fit(self, X: Any, y: Any) -> Forgiving:
        self.inner_ = GaussianNB().fit(np.nan_to_num(X), y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X: Any) -> Any:
        return self.inner_.predict(np.nan_to_num(X))


@pytest.mark.parametrize("estimator", [boosting, imputing, Forgiving()])
@pytest.mark.parametrize("desirability", ["auto", "mutual_info", np.ones(8)])
def test_missing_values_are_the_estimators_business(
    table: Any, make_selector: Any, estimator: Any, desirability: Any
) -> None:
    X, y = with_gaps(table[0]), table[1]
    fitted = make_selector(estimator, desirability=desirability).fit(X, y)
    assert fitted.support_[0], "the column with gaps tells the classes"
    np.testing.assert_array_equal(fitted.transform(X), X[:, fitted.support_])


@pytest.mark.parametrize("estimator", [boosting, imputing, Forgiving()])
def test_a_selector_fitted_on_whole_rows_passes_missing_values_on(
    table: Any, make_selector: Any, estimator: Any
) -> None:
    X, y = table
    pipeline = make_pipeline(make_selector(estimator), estimator).fit(X, y)
    assert pipeline.predict(with_gaps(X)).shape == (60,)


def test_an_estimator_that_refuses_missing_values_says_so_itself(
    table: Any, make_selector: Any
) -> None:
    X, y = table
    # Also where most subsets, or the rows of a fold, have no gap.
    for gaps in (with_gaps(X, 5), np.where(np.arange(480).reshape(60, 8) == 477, np.nan, X)):
        with pytest.raises(ValueError, match="GaussianNB does not accept missing values"):
            make_selector().fit(gaps, y)


def test_f_is_measured_on_the_rows_that_have_the_feature(table: Any, make_selector: Any) -> None:
    X, y = with_gaps(table[0], 3), table[1]
    measured = make_selector(imputing).fit(X, y).desirability_
    there = ~np.isnan(X[:, 3])
    F = np.append(
        f_classif(np.delete(X, 3, axis=1), y)[0], f_classif(X[there][:, [3]], y[there])[0]
    )
    assert measured[3] == pytest.approx(np.clip(F[-1] / np.quantile(F, 0.99), 0.01, 1))


def test_gaps_in_sparse_rows_pass_too(table: Any, make_selector: Any) -> None:
    X, y = with_gaps(table[0]), table[1]
    X[np.abs(X) < 0.5] = 0
    scaled = make_pipeline(SimpleImputer(), LogisticRegression())
    dense, sparse = (make_selector(scaled).fit(kind(X), y) for kind in (np.asarray, csr_array))
    np.testing.assert_allclose(sparse.desirability_, dense.desirability_)
    np.testing.assert_array_equal(sparse.support_, dense.support_)


@pytest.fixture
def frame(table: Any) -> pd.DataFrame:
    return pd.DataFrame(table[0], columns=list("abcdefgh"))


def test_a_column_transformer_finds_its_columns_by_name(
    frame: Any, table: Any, make_selector: Any
) -> None:
    named = ColumnTransformer([("scaled", StandardScaler(), list("abcdefgh"))])
    scaled = make_pipeline(named, GaussianNB())
    fitted = make_selector(scaled, error_score="raise").fit(frame, table[1])
    kept = list(frame.columns[fitted.support_])
    by_hand = make_pipeline(StandardScaler(), GaussianNB())
    score = cross_val_score(by_hand, frame[kept], table[1], cv=3).mean()
    assert fitted.best_score_ == pytest.approx(score)
    assert named.transformers[0][2] == list("abcdefgh"), "the caller's is as it was"


def test_columns_of_categories_stay_what_they_are(
    frame: Any, table: Any, make_selector: Any
) -> None:
    # HistGradientBoosting takes no category of fewer than ten rows for one.
    frame, y = pd.concat([frame] * 3, ignore_index=True), np.tile(table[1], 3)
    # Classes alternate with the code: as a number it says next to nothing to one cut.
    codes = 2 * (np.arange(180) // 2 % 3) + y
    for values in (codes, np.array(list("uvwxyz"))[codes]):
        mixed = frame.assign(a=frame["b"], h=pd.Categorical(values))
        estimator = HistGradientBoostingClassifier(
            max_iter=1, max_leaf_nodes=2, min_samples_leaf=1, categorical_features="from_dtype"
        )
        fitted = make_selector(estimator, n_features_to_select=1).fit(mixed, y)
        assert fitted.get_feature_names_out().tolist() == ["h"]
        assert fitted.best_score_ == 1.0


def test_columns_of_strings_reach_an_encoder_by_their_type(
    frame: Any, table: Any, make_selector: Any
) -> None:
    X = frame.assign(h=np.where(table[1], "x", "y").astype(object))
    encoded = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_exclude=float)), remainder="passthrough"
        ),
        LogisticRegression(),
    )
    fitted = make_selector(encoded, error_score="raise", n_features_to_select=1).fit(X, table[1])
    assert fitted.get_feature_names_out().tolist() == ["h"]
    kept = fitted.set_output(transform="pandas").transform(X)
    pd.testing.assert_frame_equal(kept, X[["h"]])


def test_a_subset_that_cannot_be_fitted_is_one_bad_subset(table: Any, make_selector: Any) -> None:
    X, y = table
    twins = np.hstack([X, X])
    singular = QuadraticDiscriminantAnalysis()
    with pytest.warns(FitFailedWarning, match=r"subsets could not be judged.*LinAlgError"):
        fitted = make_selector(singular, n_ants=20).fit(twins, y)
    score = cross_val_score(singular, fitted.transform(twins), y, cv=3).mean()
    assert fitted.best_score_ == pytest.approx(score)
    assert np.isfinite(fitted.history_["best_score"]).all()

    with pytest.raises(np.linalg.LinAlgError):
        make_selector(singular, n_ants=20, error_score="raise").fit(twins, y)


def test_a_failed_fold_may_have_a_score(table: Any, make_selector: Any) -> None:
    X, y = table
    with pytest.warns(FitFailedWarning):
        fitted = make_selector(
            make_pipeline(PCA(5), GaussianNB()), n_ants=20, error_score=-3, phi=1.0
        ).fit(X, y)
    assert fitted.n_features_ >= 5
    assert fitted.history_["mean_score"][0] < 0, "with those that failed"


def test_where_nothing_can_be_fitted_the_first_failure_and_a_remedy_are_told(
    table: Any, make_selector: Any
) -> None:
    fits = []

    class Narrow(GaussianNB):
        def fit(self, *_: Any) -> Any:
            fits.append(1)
            raise ZeroDivisionError("nine columns, please")

    with pytest.raises(ValueError, match=r"nine columns(?s:.*)min_features") as e:
        make_selector(Narrow(), n_iterations=1000).fit(*table)
    assert isinstance(e.value.__cause__, ZeroDivisionError)
    assert len(fits) <= 6, "the first iteration is enough to see it"
    fitted = make_selector(make_pipeline(PCA(5), GaussianNB()), min_features=5).fit(*table)
    assert fitted.n_features_ >= 5


def test_a_fit_that_failed_is_not_tried_again(table: Any, make_selector: Any) -> None:
    tried = []

    class Picky(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            tried.append(X[0].tobytes())
            if X.shape[1] > 1:
                raise ZeroDivisionError
            return super().fit(X, y)

    with pytest.warns(FitFailedWarning):
        make_selector(Picky(), n_iterations=20, cv=[(np.arange(50), np.arange(50, 60))]).fit(*table)
    assert len(tried) == len(set(tried))


@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_scores_that_are_no_number_are_explained(
    table: Any, make_selector: Any, error_score: Any
) -> None:
    def returning(score: Any) -> Any:
        return make_selector(scoring=lambda *_: score, error_score=error_score)

    with pytest.raises(ValueError, match="scoring returned nan"):
        returning(float("nan")).fit(*table)
    with pytest.raises(ParameterError, match=r"scoring returned a dict .*: it must be one number"):
        returning({"a": 1.0}).fit(*table)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_estimator_that_cuts_every_subset_is_no_interrupt(
    table: Any, make_selector: Any, threads: int
) -> None:
    class Cutting(GaussianNB):
        def fit(self, *_: Any) -> Any:
            raise EvaluationCut

    with pytest.raises(ParameterError, match="no subset was judged"):
        make_selector(Cutting(), n_jobs=threads).fit(*table)


def test_splits_that_are_used_up_are_named(table: Any, make_selector: Any) -> None:
    X, y = table
    selector = make_selector(cv=StratifiedKFold(3).split(X, y))
    expected = make_selector(cv=StratifiedKFold(3)).fit(X, y)
    selector.get_metadata_routing()
    assert selector.fit(X, y).best_score_ == expected.best_score_
    with pytest.raises(ParameterError, match="cv gives no split: a generator"):
        selector.fit(X, y)
    with pytest.raises(ParameterError, match="split 0 of cv leaves no rows"):
        make_selector(cv=[(np.arange(60), [])]).fit(X, y)


def test_fit_parameters_with_all_columns_are_refused(table: Any, make_selector: Any) -> None:
    X, y = table

    class Stopping(GaussianNB):
        def fit(self, X: Any, y: Any, **_: Any) -> Any:
            return super().fit(X, y)

    with pytest.raises(ParameterError, match="eval_set holds a matrix of all 8 columns"):
        make_selector(Stopping()).fit(X, y, eval_set=[(X, y)])
    assert make_selector(Stopping()).fit(X, y, names=["a", "b"]).n_features_ > 0


class Whereabouts(GaussianNB):
    """Tells in which thread it is fitted, and needs that of a signal handler."""

    threads: set[int] = set()  # noqa: RUF012 - clones share it

    def fit(self, X: Any, y: Any) -> Any:
        self.threads.add(threading.get_ident())
        return super().fit(X, y)


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_one_job_judges_in_the_callers_thread(table: Any, make_selector: Any, n_jobs: Any) -> None:
    Whereabouts.threads.clear()
    make_selector(Whereabouts(), n_jobs=n_jobs).fit(*table)
    assert Whereabouts.threads == {threading.get_ident()}

    class Alarmed(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            signal.signal(signal.SIGALRM, signal.getsignal(signal.SIGALRM))
            return super().fit(X, y)

    make_selector(Alarmed(), n_jobs=n_jobs, error_score="raise").fit(*table)
    # What numpy does about errors belongs to a context.
    dividing = make_selector(scoring=lambda *_: float(np.float64(1) / np.float64(0)))
    with np.errstate(divide="raise"), pytest.raises(ValueError, match="FloatingPointError"):
        dividing.set_params(n_jobs=2).fit(*table)


def interrupting(at: int) -> Any:
    calls = []

    def interrupt(evaluation: Any) -> None:
        calls.append(evaluation)
        if len(calls) == at:
            raise KeyboardInterrupt

    return interrupt


def test_ctrl_c_keeps_the_subset_where_warnings_are_errors(table: Any, make_selector: Any) -> None:
    X, y = table
    selector = make_selector(callbacks=[interrupting(2)])
    with warnings.catch_warnings(action="error"), pytest.raises(PartialResultWarning):
        selector.fit(X, y)
    assert selector.stop_reason_ == "interrupted"
    np.testing.assert_array_equal(selector.transform(X), X[:, selector.support_])


def test_ctrl_c_after_failures_alone_is_an_interrupt(table: Any, make_selector: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        make_selector(scoring=lambda *_: 1 / 0, callbacks=[interrupting(2)], n_iterations=100).fit(
            *table
        )


def test_ctrl_c_while_the_holdout_is_scored_keeps_the_subset(
    table: Any, make_selector: Any
) -> None:
    class Interrupted(GaussianNB):
        def fit(self, X: Any, y: Any) -> Any:
            if len(X) > 30:
                raise KeyboardInterrupt
            return super().fit(X, y)

    selector = make_selector(Interrupted(), holdout=0.25)
    with pytest.warns(PartialResultWarning):
        selector.fit(*table)
    assert selector.stop_reason_ == "interrupted"
    assert selector.n_features_ > 0
    assert np.isnan(selector.holdout_score_)


def test_a_holdout_that_cannot_be_scored_is_told_of(table: Any, make_selector: Any) -> None:
    def nan_for_many(estimator: Any, X: Any, y: Any) -> float:
        return float("nan") if len(X) == 30 else float(estimator.score(X, y))

    with pytest.warns(FitFailedWarning, match="the holdout could not be scored: .* returned nan"):
        fitted = make_selector(holdout=0.5, scoring=nan_for_many).fit(*table)
    assert np.isnan(fitted.holdout_score_)
    assert fitted.n_features_ > 0


def test_a_search_with_failures_is_kept_where_warnings_are_errors(
    table: Any, make_selector: Any
) -> None:
    X, y = table
    selector = make_selector(QuadraticDiscriminantAnalysis(), n_ants=20)
    with warnings.catch_warnings(action="error"), pytest.raises(FitFailedWarning):
        selector.fit(np.hstack([X, X]), y)
    assert selector.n_features_ == selector.support_.sum() > 0


def test_a_failed_refit_leaves_nothing_of_the_fit_before(
    frame: Any, table: Any, make_selector: Any
) -> None:
    X, y = table
    selector = make_selector(holdout=0.3).fit(frame, y)
    selector.set_params(scoring=lambda *_: 1 / 0)
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        selector.fit(X[:, :5], y)
    assert not [name for name in vars(selector) if name.endswith("_") and name[0] != "_"]
    with pytest.raises(NotFittedError):
        selector.transform(X[:, :5])
    # Nor does one that succeeds.
    selector.set_params(scoring=None, holdout=None).fit(X, y)
    assert not hasattr(selector, "holdout_score_")
    assert not hasattr(selector, "feature_names_in_")


class Recorder:
    """A callback that cannot be copied, as one with a progress bar."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events: list[Any] = []

    def __call__(self, evaluation: Any) -> None:
        with self.lock:
            self.events.append(evaluation)


def test_callbacks_hear_of_clones(table: Any, make_selector: Any) -> None:
    recorder = Recorder()
    selector = make_selector(callbacks=[recorder]).set_output(transform="pandas")
    pipeline = make_pipeline(selector, GaussianNB())
    cross_val_score(pipeline, *table, cv=2, error_score="raise")
    assert len(recorder.events) > 2
    twin = clone(selector)
    assert twin.callbacks == [recorder]
    assert repr(twin) == repr(selector)
    assert isinstance(twin.fit(*table).transform(pd.DataFrame(table[0])), pd.DataFrame)


def test_what_is_fitted_can_be_pickled_whatever_its_callbacks(
    table: Any, make_selector: Any
) -> None:
    X, y = table
    fitted = make_selector(callbacks=[Recorder()], holdout=0.2, n_colonies=2).fit(X, y)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.transform(X), fitted.transform(X))
    assert restored.callbacks is None
    assert len(fitted.callbacks) == 1


def test_more_features_than_there_are_is_all_of_them(table: Any, make_selector: Any) -> None:
    expected = make_selector(max_features=8).fit(*table)
    for parameters in ({"max_features": 50}, {"max_features": 50, "min_features": 1}):
        told = "max_features is 50, and X has 8 features"
        with pytest.warns(UserWarning, match=told) as warned:
            fitted = make_selector(**parameters).fit(*table)
        assert warned[0].filename == __file__
        np.testing.assert_array_equal(fitted.pheromone_, expected.pheromone_)
