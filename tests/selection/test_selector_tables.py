"""Tables, labels, splits and fit parameters of all kinds, taken, or refused in the user's terms."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    LeaveOneOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fer_fast import AntColonySelector, DataError, ParameterError

NAMES = [f"c{j}" for j in range(8)]
Table = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def table() -> Table:
    """60 rows of 8 features, of which the first tells the classes."""
    X, y = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) % 2
    X[:, 0] += 2 * y
    return X, y


@pytest.fixture
def frame(table: Table) -> pd.DataFrame:
    return pd.DataFrame(table[0], columns=NAMES)


@pytest.fixture
def seeing() -> Any:
    """Return an estimator that notes what kinds of tables it is fitted on."""

    class Seeing(GaussianNB):
        kinds: set[str] = set()  # noqa: RUF012 - clones share it

        def fit(self, X: Any, y: Any) -> Any:
            self.kinds.add(type(X).__module__.split(".")[0])
            return super().fit(np.asarray(X), y)

        def predict(self, X: Any) -> Any:
            return super().predict(np.asarray(X))

    return Seeing()


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("kind", ["matrix", "array"])
def test_every_sparse_layout_gives_what_dense_gives(
    table: Table, make_selector: Any, layout: str, kind: str
) -> None:
    X, y = table
    X[np.abs(X) < 0.5] = 0
    packed = getattr(sparse, f"{layout}_{kind}")(X)
    found = make_selector(LogisticRegression()).fit(packed, y)
    np.testing.assert_array_equal(
        found.support_, make_selector(LogisticRegression()).fit(X, y).support_
    )
    np.testing.assert_array_equal(found.transform(packed).toarray(), X[:, found.support_])


def test_polars_frames_stay_frames(
    table: Table, frame: pd.DataFrame, make_selector: Any, seeing: Any
) -> None:
    polars = pytest.importorskip("polars")
    y = np.where(table[1], "x", "z")
    given = polars.DataFrame(frame.to_dict(orient="list"))
    found = make_selector(seeing).fit(given, polars.Series(y))
    assert seeing.kinds == {"polars"}
    np.testing.assert_array_equal(found.support_, make_selector().fit(table[0], y).support_)
    kept = found.set_output(transform="polars").transform(given)
    assert kept.columns == list(found.get_feature_names_out())
    told = given.select(NAMES[1:]).with_columns(h=polars.Series(y).cast(polars.Categorical))
    by_type = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype")
    assert "h" in make_selector(by_type).fit(told, y).get_feature_names_out()


def test_what_has_columns_and_is_no_frame_is_a_matrix(table: Table, make_selector: Any) -> None:
    class ArrowLike:
        """Its columns are arrays, as those of `pyarrow.Table` are, and have no names here."""

        def __init__(self, X: np.ndarray) -> None:
            self.columns, self.shape = list(X.T), X.shape

        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            return np.column_stack(self.columns)

    found = make_selector().fit(ArrowLike(table[0]), table[1])
    np.testing.assert_array_equal(found.support_, make_selector().fit(*table).support_)
    np.testing.assert_array_equal(found.transform(ArrowLike(table[0])), table[0][:, found.support_])


def test_columns_of_the_same_name_are_named(table: Table, make_selector: Any) -> None:
    twins = pd.DataFrame(table[0], columns=list("abbcdefg"))
    for selector in (make_selector(), AntColonySelector()):
        with pytest.raises(DataError, match="more than one column 'b': rename"):
            selector.fit(twins, table[1])


@pytest.mark.parametrize(
    "named",
    [slice("c0", "c2"), slice(None, "c2"), slice("c0", None), slice(None, None), ["c0", "c2"]],
)
def test_a_column_transformer_may_name_a_slice(
    table: Table, frame: pd.DataFrame, make_selector: Any, named: Any
) -> None:
    scaled = ColumnTransformer([("scaled", StandardScaler(), named)], remainder="passthrough")
    strict = make_selector(
        make_pipeline(scaled, LogisticRegression()), n_ants=15, error_score="raise"
    )
    assert strict.fit(frame, table[1]).support_[0]


def test_a_slice_of_names_covers_what_scikit_learn_takes_it_for(frame: pd.DataFrame) -> None:
    from fer_fast.selection.cross_validation import narrowed

    for named in (slice("c2", "c5"), slice(None, "c3"), slice("c5", None)):
        seen = ColumnTransformer([("kept", "passthrough", named)]).fit(frame)
        expected = [name.partition("__")[2] for name in seen.get_feature_names_out()]
        some = frame[["c1", "c3", "c5", "c6"]]
        ours = narrowed(ColumnTransformer([("kept", "passthrough", named)]), some, frame).fit(some)
        kept = [name.partition("__")[2] for name in ours.get_feature_names_out()]
        assert kept == [name for name in expected if name in some.columns]


def test_categories_are_chosen_through_a_column_transformer_and_a_grid(
    table: Table, frame: pd.DataFrame, make_selector: Any
) -> None:
    y = table[1]
    mixed = frame[NAMES[1:]].assign(
        told=pd.Categorical(np.where(y, "yes", "no")), other=pd.array(["u", "v", "w"] * 20)
    )
    encoded = make_pipeline(
        ColumnTransformer(
            [
                ("numbers", StandardScaler(), NAMES[1:]),
                ("kinds", OneHotEncoder(handle_unknown="ignore"), ["told", "other"]),
            ]
        ),
        LogisticRegression(),
    )
    pipeline = Pipeline(
        [("select", make_selector(encoded).set_output(transform="pandas")), ("model", encoded)]
    )
    # Outside the selector nobody takes the names of dropped columns out of a transformer.
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())
    pipeline.set_params(model=model, select__n_features_to_select=1)
    searched = GridSearchCV(pipeline, {"select__n_ants": [3, 6]}, cv=3, n_jobs=2)
    searched.fit(mixed, y)
    assert searched.best_score_ == 1
    chosen = searched.best_estimator_["select"].get_feature_names_out()
    assert list(chosen) == ["told"]


@pytest.mark.parametrize("in_frame", [False, True])
def test_labels_that_cannot_be_told_apart_or_added_are_named(
    table: Table, frame: pd.DataFrame, make_selector: Any, in_frame: bool
) -> None:
    X: Any = frame if in_frame else table[0]
    mixed = table[1].astype(object)
    mixed[3] = None
    with pytest.raises(DataError, match="y mixes labels that have no order"):
        make_selector().fit(X, mixed)
    with pytest.raises(DataError, match="holds no numbers, and a regressor needs them"):
        make_selector(Ridge()).fit(X, np.where(table[1], "x", "z"))
    words = np.where(table[1], "happy", "sad")
    assert make_selector().fit(X, words).support_[0]


@pytest.mark.parametrize("holdout", [None, 0.3])
def test_groups_of_another_number_of_rows_are_named(
    table: Table, make_selector: Any, holdout: Any
) -> None:
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 50\]"):
        make_selector(holdout=holdout).fit(*table, groups=np.arange(50))


def test_one_class_is_named(table: Table, make_selector: Any) -> None:
    for selector in (make_selector(), AntColonySelector()):
        with pytest.raises(DataError, match="fewer than two classes"):
            selector.fit(table[0], np.zeros(60, int))


@pytest.mark.parametrize(
    ("cv", "words"),
    [
        ([(np.arange(60), np.arange(60, 70))], "rows up to 69, and there are 60"),
        ([(np.arange(50), [-61])], "there are 60"),
        ([(1, 2, 3)], "each split must be two lists"),
        ([5], "each split must be two lists"),
        ([(np.arange(50.0), np.arange(50, 60))], "neither numbers nor a mask"),
        ([("ab", "cd")], "neither numbers nor a mask"),
        ([(np.ones(59, bool), np.arange(5))], "neither numbers nor a mask"),
        ([], "cv gives no split"),
    ],
)
def test_splits_that_are_none_are_named(
    table: Table, make_selector: Any, cv: Any, words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        make_selector(cv=cv).fit(*table)


@pytest.mark.parametrize(
    "cv",
    [
        [(np.arange(60) < 40, np.arange(60) >= 40)],
        [(list(range(40)), list(range(-20, 0)))],
        PredefinedSplit(np.where(np.arange(60) < 40, -1, 0)),
    ],
)
def test_splits_of_every_spelling_are_the_same(table: Table, make_selector: Any, cv: Any) -> None:
    plain = [(np.arange(40), np.arange(40, 60))]
    expected = make_selector(cv=plain).fit(*table)
    assert make_selector(cv=cv).fit(*table).best_score_ == expected.best_score_


@pytest.mark.parametrize(
    "cv", [LeaveOneOut(), TimeSeriesSplit(3), ShuffleSplit(1, random_state=0), 2]
)
def test_every_splitter_of_scikit_learn_judges(table: Table, make_selector: Any, cv: Any) -> None:
    assert make_selector(cv=cv, error_score="raise", n_iterations=1).fit(*table).support_[0]


def test_a_validation_matrix_of_all_columns_is_refused(table: Table, make_selector: Any) -> None:
    X, y = table
    stopping = HistGradientBoostingClassifier(max_iter=3, early_stopping=True)
    with pytest.raises(ParameterError, match="X_val holds a matrix of all 8 columns"):
        make_selector(stopping).fit(X, y, X_val=X[:20], y_val=y[:20])

    class Offset(GaussianNB):
        def fit(self, X: Any, y: Any, offset: Any) -> Any:
            assert offset.shape == (len(X), 8)
            return super().fit(X, y)

    # An entry per row and as many columns by chance.
    fitted = make_selector(Offset(), error_score="raise").fit(X, y, offset=np.zeros((60, 8)))
    assert fitted.n_features_ > 0


def test_a_fit_parameter_that_nobody_takes_is_named(table: Table, make_selector: Any) -> None:
    X, y = table
    weights = np.ones(60)
    with pytest.raises(ValueError, match="unexpected keyword argument 'sample_weight'"):
        make_selector(KNeighborsClassifier()).fit(X, y, sample_weight=weights)
    with pytest.raises(TypeError, match="without an estimator, fit takes no sample_weight"):
        AntColonySelector().fit(X, y, sample_weight=weights)
    with config_context(enable_metadata_routing=True):
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            make_selector().fit(X, y, sample_weight=weights)
        with pytest.raises(TypeError, match="not routed to any object"):
            AntColonySelector().fit(X, y, sample_weight=weights)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"desirability": ["a"] * 8}, "desirability must hold numbers alone"),
        ({"desirability": np.ones(7)}, r"desirability has shape \(7,\)"),
        ({"desirability": [1, np.nan, *[1] * 6]}, r"desirability\[1\] is NaN"),
        ({"costs": {"c0": 1}}, "costs must hold numbers alone"),
        ({"costs": [0, *[1] * 7]}, "costs must be finite and above 0"),
    ],
)
def test_numbers_for_the_features_that_are_none_are_named(
    table: Table, make_selector: Any, parameters: Any, words: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ParameterError, match=words):
            make_selector(**parameters).fit(*table)


def test_a_clone_searches_alike_and_the_original_is_left_alone(
    table: Table, frame: pd.DataFrame, make_selector: Any
) -> None:
    estimator, before = GaussianNB(), frame.copy()
    original = make_selector(
        estimator, cv=StratifiedKFold(3), feature_groups=[["c0", "c1"]], fixed=["c7"]
    )
    twin = clone(original)
    found = original.fit(frame, table[1])
    assert not hasattr(estimator, "classes_")
    assert not hasattr(twin, "support_")
    pd.testing.assert_frame_equal(frame, before)
    np.testing.assert_array_equal(twin.fit(frame, table[1]).support_, found.support_)
