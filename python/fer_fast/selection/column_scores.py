"""A score per column of any table, by what scores the columns of a matrix without gaps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import f_regression, mutual_info_classif, mutual_info_regression
from sklearn.utils import check_random_state

from fer_fast.errors import ParameterError
from fer_fast.selection.desirability import anova_f, forest_scores, scaled_scores
from fer_fast.selection.tables import categories, is_frame, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Score = Callable[[Any, NDArray[Any]], NDArray[np.float64]]

FOREST_MEASURES = ("importances", "oob_gain")
"""Desirabilities that a forest on all columns says."""

_MOST_CATEGORIES = 255
"""Categories of one column that are looked at, the commonest first."""


def measure_desirability(
    measure: Any, X: Any, y: NDArray[Any], *, is_regression: bool, random_state: Any
) -> NDArray[np.float64]:
    """Return how useful each column looks by itself.

    Parameters
    ----------
    measure : {"auto", "f_classif", "f_regression", "mutual_info", "importances", "oob_gain", \
"flat"}, callable or array-like
        As `AntColonySelector` takes it.
    X : {ndarray, sparse matrix, data frame} of shape (n_rows, n_columns)
    y : ndarray of shape (n_rows,)
    is_regression : bool
        What "auto" and "mutual_info" stand for.
    random_state : int or RandomState
        Of the mutual information.

    Returns
    -------
    desirability : ndarray of shape (n_columns,), float64
    """
    if isinstance(measure, str) and measure == "flat":
        return np.ones(X.shape[1])
    if isinstance(measure, str) and measure in FOREST_MEASURES:
        scores = _score_by_forest(measure, X, y, is_regression, random_state)
        return scaled_scores(scores)
    if isinstance(measure, str):
        score = _named(measure, is_regression=is_regression, random_state=random_state)
        return scaled_scores(_score_columns(score, X, y))
    if callable(measure):
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = measure(X, y)
        scores = scores[0] if isinstance(scores, tuple) else scores
        return scaled_scores(one_per_feature("desirability", scores, X.shape[1]))
    return one_per_feature("desirability", measure, X.shape[1])


def _score_by_forest(
    measure: Any,
    X: Any,
    y: NDArray[Any],
    is_regression: bool,
    random_state: Any,
) -> NDArray[np.float64]:
    """Score all columns at once, which must be numbers; missing ones are a value of their own."""
    if is_regression and measure != "importances":
        raise ParameterError(f"desirability is {measure!r}, which needs class labels")
    try:
        X = X.toarray() if issparse(X) else X
        X = np.asarray(X, dtype=np.float32)
    except (TypeError, ValueError):
        raise ParameterError(
            f"desirability is {measure!r}, which needs columns of numbers",
            hint="choose 'auto', or encode the categories",
        ) from None
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    if is_regression:
        forest = RandomForestRegressor(90, max_features="sqrt", random_state=seed).fit(X, y)
        importances: NDArray[np.float64] = forest.feature_importances_
        return importances
    return forest_scores(X, y, measure, random_state=seed)


def one_per_feature(name: str, values: ArrayLike, n_features: int) -> NDArray[np.float64]:
    """Return `values` as an array.

    Raises
    ------
    ParameterError
        If there is not one number for each feature.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must hold numbers alone ({error})") from error
    if array.shape != (n_features,):
        raise ParameterError(
            f"{name} has shape {array.shape}: it must hold one number for each of the "
            f"{n_features} features"
        )
    return array


def _named(measure: str, *, is_regression: bool, random_state: Any) -> Score:
    if measure == "f_classif" or (measure == "auto" and not is_regression):
        return anova_f
    if measure == "mutual_info":
        information = mutual_info_regression if is_regression else mutual_info_classif
        return partial(information, random_state=random_state)
    # Scaling deals with infinities better than the largest float in their place.
    return lambda X, y: f_regression(X, y, force_finite=False)[0]


def _score_columns(score: Score, X: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """Score each column on the rows that have it; a column of categories by the best of them."""
    if is_frame(X):
        return _score_frame(score, X, y)
    if not issparse(X):
        return _score_matrix(score, X, y)
    X = X.tocsc()
    gaps = np.repeat(np.arange(X.shape[1]), np.diff(X.indptr))[~np.isfinite(X.data)]
    scores = np.full(X.shape[1], np.nan)
    whole = np.setdiff1d(np.arange(X.shape[1]), gaps)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores[whole] = score(X[:, whole], y)
    for column in np.unique(gaps):
        scores[column] = _score_gappy(score, X[:, [column]].toarray().ravel(), y)
    return scores


def _score_frame(score: Score, X: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    scores = np.full(X.shape[1], np.nan)
    numeric = {j: column for j in range(X.shape[1]) if (column := numbers(X, j)) is not None}
    if numeric:
        matrix = np.column_stack(list(numeric.values()))
        scores[list(numeric)] = _score_matrix(score, matrix, y)
    for j in range(X.shape[1]):
        if j in numeric:
            continue
        codes = categories(X, j)
        commonest = np.argsort(-np.bincount(codes), kind="stable")[:_MOST_CATEGORIES]
        indicators = (codes[:, None] == commonest).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_each = score(indicators, y)
        scores[j] = np.nan if np.isnan(of_each).all() else np.nanmax(of_each)
    return scores


def _score_matrix(score: Score, X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    # A matrix of numbers may still be one of objects.
    X = X.astype(np.float64) if X.dtype.kind not in "biuf" else X
    whole = np.isfinite(X).all(axis=0)
    scores = np.full(X.shape[1], np.nan)
    if whole.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            scores[whole] = score(X if whole.all() else X[:, whole], y)
    for column in np.flatnonzero(~whole):
        scores[column] = _score_gappy(score, X[:, column], y)
    return scores


def _score_gappy(score: Score, column: NDArray[Any], y: NDArray[Any]) -> float:
    there = np.isfinite(column)
    if there.sum() < 4 or len(np.unique(y[there])) < 2:
        return float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(score(column[there, None], y[there])[0])
