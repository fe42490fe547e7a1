"""Matrices as callers have them: arrays, sparse matrices, data frames with columns of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_regressor
from sklearn.utils import _safe_indexing, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, validate_data

from fer_fast.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def is_frame(X: Any) -> bool:
    """Return whether `X` is a data frame, of pandas, polars or alike.

    A table of Arrow is none, since no estimator takes it as it is: it becomes a matrix.
    """
    return hasattr(X, "columns") and hasattr(X, "dtypes") and len(X.shape) == 2


def take_rows(X: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows, as the kind of matrix that `X` is."""
    return _safe_indexing(X, rows, axis=0)


def take_columns(X: Any, columns: NDArray[np.int64]) -> Any:
    """Return some columns, as the kind of matrix that `X` is."""
    return _safe_indexing(X, columns, axis=1)


def numbers(X: Any, column: int) -> NDArray[np.float64] | None:
    """Return a frame's column as numbers, NaN where it has none; None if it holds categories.

    A column of categories stays one where its categories are numbers.
    """
    series = _safe_indexing(X, column, axis=1)
    if hasattr(series.dtype, "categories"):
        return None
    try:
        return np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def plain_matrix(X: Any) -> NDArray[np.float32] | None:
    """Return a table of finite numbers as an array; None if it is sparse, or none of these."""
    if issparse(X):
        return None
    try:
        matrix = np.asarray(X, dtype=np.float32)
    except (TypeError, ValueError):
        return None
    return matrix if np.isfinite(matrix).all() else None


def categories(X: Any, column: int) -> NDArray[np.int64]:
    """Return a number for each row's category in a frame's column; missing is one of its own."""
    series = _safe_indexing(X, column, axis=1)
    codes: NDArray[np.int64] = np.unique(np.asarray(series).astype(str), return_inverse=True)[1]
    return codes


def has_gaps(X: Any) -> bool:
    """Return whether a number is missing or infinite."""
    if is_frame(X):
        columns = (numbers(X, j) for j in range(X.shape[1]))
        return any(column is not None and not np.isfinite(column).all() for column in columns)
    values = X.data if issparse(X) else X
    return values.dtype.kind == "f" and not np.isfinite(values).all()


def checked(selector: Any, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
    """Return the rows that a selector is to be fitted on; it notes their width and names.

    Values that are missing or infinite are its estimator's business, a data frame's columns too:
    a frame stays one. Without an estimator the matrix is one of finite float32.

    Raises
    ------
    ValueError
        If there are too few rows or columns, or labels do not match them; mostly in scikit-learn's
        words.
    """
    estimator = selector.estimator
    if is_frame(X):
        _refuse_namesakes(X)
    if estimator is None:
        X, y = validate_data(selector, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(y)
        if len(np.unique(y)) < 2:
            raise DataError("y has fewer than two classes", hint="give rows of another class too")
        return X, y
    is_numeric = is_regressor(estimator)
    if not is_frame(X):
        rows: tuple[Any, NDArray[Any]] = validate_data(
            selector,
            X,
            y,
            accept_sparse=("csr", "csc") if get_tags(estimator).input_tags.sparse else False,
            ensure_all_finite=False,
            ensure_min_samples=2,
            y_numeric=is_numeric,
        )
        _refuse_labels(rows[1], is_numeric=is_numeric)
        return rows
    X, y = validate_data(selector, X, y, skip_check_array=True)
    y = _check_y(y, y_numeric=is_numeric, estimator=selector)
    check_consistent_length(X, y)
    _refuse_labels(y, is_numeric=is_numeric)
    if X.shape[0] < 2 or X.shape[1] < 1:
        raise DataError(f"X of shape {X.shape} has too few rows or columns to choose from")
    return X, y


def _refuse_namesakes(X: Any) -> None:
    names = list(X.columns)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"X has more than one column {twice!r}", hint="rename all but one")


def _refuse_labels(y: NDArray[Any], *, is_numeric: bool) -> None:
    if is_numeric and y.dtype.kind not in "biuf":
        raise DataError(
            f"y of dtype {y.dtype} holds no numbers, and a regressor needs them",
            hint="convert them, or give a classifier",
        )
    if y.dtype.kind == "O":
        try:
            np.unique(y)
        except TypeError as error:
            raise DataError(
                f"y mixes labels that have no order ({error})",
                hint="give labels of one kind, and none that is missing",
            ) from error


def refuses_gaps(estimator: Any) -> bool:
    """Return whether an estimator surely takes no missing value; None is the native forest.

    What is made of several, such as a pipeline, may fill gaps whatever its tag says, and outside
    scikit-learn a tag may be just the default.
    """
    if estimator is None:
        return True
    parts = estimator.get_params().values() if hasattr(estimator, "get_params") else ()
    is_single = not any(hasattr(part, "fit") for part in parts)
    is_scikit_learns = type(estimator).__module__.split(".")[0] == "sklearn"
    return is_single and is_scikit_learns and not get_tags(estimator).input_tags.allow_nan
