"""The fitness of any estimator: its mean score over folds, seeing a subset of the columns alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import PredefinedSplit
from sklearn.model_selection._split import _CVIterableWrapper
from sklearn.utils import get_tags
from sklearn.utils.validation import _check_method_params

from fer_fast._core import EvaluationCut
from fer_fast.errors import ParameterError
from fer_fast.execution.parcels import portable
from fer_fast.selection.tables import has_gaps, is_frame, take_columns, take_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Fold = tuple[NDArray[np.int64], NDArray[np.int64]]

_NAMES_GAPS = re.compile(r"\b(nan|inf|infinity)\b", re.IGNORECASE)


@dataclass
class Attempt:
    """What evaluating a subset came to.

    Attributes
    ----------
    scores : list of float
        Of each fold that was tried.
    error : Exception or None
        The first that a fold raised.
    has_succeeded : bool
        Whether any fold did.
    """

    scores: list[float] = field(default_factory=list)
    error: Exception | None = None
    has_succeeded: bool = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "error": self.error and portable(self.error)}


class CrossValidation:
    """Mean score of an estimator over fixed folds, as a pure function of the columns it sees.

    Parameters
    ----------
    estimator : estimator instance
        It is cloned for each fit.
    X : {ndarray, sparse matrix, data frame} of shape (n_rows, n_columns)
        The estimator gets its columns as the kind of matrix that it is.
    y : ndarray of shape (n_rows,)
    folds : sequence of (ndarray, ndarray)
        Rows to fit on and rows to score on.
    scorer : callable
        ``scorer(estimator, X, y)``, higher is better.
    fit_params, score_params : mapping
        More parameters of `fit` and of `scorer`; those with an entry per row are cut row by row.
    error_score : "raise" or float
        The score of a fold whose fit or scoring failed. NaN gives the whole subset none.
    """

    deposit: ClassVar[Literal["best"]] = "best"
    """What its colony deposits: an estimator does not say what each column earned."""

    state: ClassVar[None] = None
    """What an evaluation depends on beside the columns: nothing."""

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: NDArray[Any],
        folds: Sequence[Fold],
        *,
        scorer: Any,
        fit_params: Mapping[str, Any],
        score_params: Mapping[str, Any],
        error_score: str | float,
    ) -> None:
        # Column slices of a csr matrix scan all of it.
        self._X = X.tocsc() if issparse(X) else X
        self._y = y
        self._estimator = estimator
        self._folds = folds
        self._scorer = scorer
        self._fit_params = _without_matrices(fit_params, X.shape)
        self._score_params = score_params
        self._error_score = error_score
        # scikit-learn's configuration belongs to a thread, and the colony calls from its own.
        self._config = get_config()
        self._errors: dict[bytes, Exception] = {}
        self._has_succeeded = False

    def __call__(self, columns: NDArray[np.int64]) -> float:
        """Score a subset.

        Raises
        ------
        EvaluationCut
            If a fold failed and `error_score` is NaN.
        """
        if self.has_failed(columns) and math.isnan(float(self._error_score)):
            raise EvaluationCut
        return self.take(columns, self.evaluate(columns, self.state))

    def evaluate(self, columns: NDArray[np.int64], state: None) -> Attempt:  # noqa: ARG002
        """Judge a subset wherever this or a pickle of it is, and change nothing."""
        X = self._columns(columns)
        attempt = Attempt()
        with config_context(**self._config):
            for fold in self._folds:
                self._attempt(X, columns, fold, attempt)
                if attempt.error is not None and math.isnan(float(self._error_score)):
                    break
        return attempt

    def take(self, columns: NDArray[np.int64], attempt: Attempt) -> float:
        """Return the score that `evaluate` found, and remember what failed."""
        self._has_succeeded |= attempt.has_succeeded
        if attempt.error is not None:
            self._errors.setdefault(columns.tobytes(), attempt.error)
            if math.isnan(float(self._error_score)):
                raise EvaluationCut from attempt.error
        return float(np.mean(attempt.scores))

    def scorer(
        self,
        columns: NDArray[np.int64],
        train: NDArray[np.int64],
        test: NDArray[np.int64],  # noqa: ARG002
    ) -> Callable[[NDArray[np.int64]], float]:
        """Fit an estimator on `train`, and return what scores it on some of the rows of `test`."""
        X = self._columns(columns)
        estimator = self._fit(X, train)
        return lambda rows: _finite(self._score(estimator, X, rows), columns)

    def refuse_gaps(self) -> None:
        """Let the estimator refuse missing and infinite values, if it does not take them.

        Otherwise each subset that has the column would fail by itself, and the search would seem to
        be about which columns are whole.

        Raises
        ------
        ValueError
            The estimator's own, from a fit on all rows and columns.
        """
        if get_tags(self._estimator).input_tags.allow_nan or not has_gaps(self._X):
            return
        n_rows, n_columns = self._X.shape
        try:
            self._fit(self._columns(np.arange(n_columns)), np.arange(n_rows))
        except ValueError as error:
            if _NAMES_GAPS.search(str(error)):
                raise
        except Exception:
            # What else fails here is the business of each subset.
            pass

    def has_failed(self, columns: NDArray[np.int64]) -> bool:
        """Return whether a fold of a subset that was scored could not be fitted or scored."""
        return columns.tobytes() in self._errors

    def failures(self, *, has_best: bool, has_succeeded: bool = False) -> str | None:
        """Return a sentence about the subsets that failed; None if none did.

        Parameters
        ----------
        has_best : bool
            Whether any subset got a score.
        has_succeeded : bool, default=False
            Whether a fit before this one is known to have scored a fold.

        Raises
        ------
        ValueError
            If none did, or if no fold ever succeeded.
        """
        if not self._errors:
            return None
        first = next(iter(self._errors.values()))
        described = f"the first of them with {type(first).__name__}: {first}"
        if not has_best or not (has_succeeded or self._has_succeeded):
            raise ValueError(
                f"none of the {len(self._errors)} subsets tried could be judged, {described}\n"
                "If the estimator needs a number of columns, raise min_features; if it needs "
                "certain columns, name them in fixed; error_score='raise' shows where it fails."
            ) from first
        return f"{len(self._errors)} subsets could not be judged, {described}"

    def _columns(self, columns: NDArray[np.int64]) -> Any:
        X = take_columns(self._X, columns)
        return X.tocsr() if issparse(X) else X

    def _attempt(self, X: Any, columns: NDArray[np.int64], fold: Fold, attempt: Attempt) -> None:
        try:
            attempt.scores.append(_finite(self._score_fold(X, fold), columns))
            attempt.has_succeeded = True
        except (EvaluationCut, ScorerError):
            raise
        except Exception as error:
            if isinstance(self._error_score, str):
                raise
            # The traceback would keep the rows of the fold alive.
            attempt.error = attempt.error or error.with_traceback(None)
            attempt.scores.append(float(self._error_score))

    def _score_fold(self, X: Any, fold: Fold) -> Any:
        train, test = fold
        return self._score(self._fit(X, train), X, test)

    def _score(self, estimator: Any, X: Any, rows: NDArray[np.int64]) -> Any:
        params = _check_method_params(self._X, self._score_params, rows)
        return self._scorer(estimator, take_rows(X, rows), self._y[rows], **params)

    def _fit(self, X: Any, train: NDArray[np.int64]) -> Any:
        params = _check_method_params(self._X, self._fit_params, train)
        estimator = narrowed(clone(self._estimator), X, self._X)
        estimator.fit(take_rows(X, train), self._y[train], **params)
        return estimator


class ScorerError(ParameterError):
    """A scorer gives something else than numbers, whatever the subset."""


def _finite(returned: Any, columns: NDArray[np.int64]) -> float:
    try:
        score = float(returned)
    except (TypeError, ValueError):
        raise ScorerError(
            f"scoring returned a {type(returned).__name__} ({returned!r}): it must be one number"
        ) from None
    if not math.isfinite(score):
        raise ValueError(f"scoring returned {score} for {len(columns)} columns")
    return score


def narrowed(estimator: Any, X: Any, whole: Any) -> Any:
    """Return an estimator whose column transformers name no column that a frame lacks.

    They are changed in place: what they name may have been left out of a subset.

    Parameters
    ----------
    estimator : estimator instance
    X, whole : {ndarray, sparse matrix, data frame}
        Some columns, and all that they were taken from.
    """
    if not is_frame(X) or not hasattr(estimator, "get_params"):
        return estimator
    there, names = set(X.columns), list(whole.columns)
    for step in [estimator, *estimator.get_params(deep=True).values()]:
        if isinstance(step, ColumnTransformer):
            step.transformers = [
                (name, transformer, _those_there(columns, there, names))
                for name, transformer, columns in step.transformers
                if not isinstance(columns, str) or columns in there
            ]
    return estimator


def _those_there(columns: Any, there: set[Any], names: list[Any]) -> Any:
    if isinstance(columns, slice):
        columns = _named_by(columns, names)
    if isinstance(columns, str) or callable(columns) or isinstance(columns, slice):
        return columns
    columns = list(columns)
    if not columns or not all(isinstance(name, str) for name in columns):
        return columns
    return [name for name in columns if name in there]


def _named_by(columns: slice, names: list[Any]) -> Any:
    """Return the names that a slice of names covers, its end among them; other slices as they are.

    A name that no column has is scikit-learn's to refuse, as is a step.
    """
    ends = [end for end in (columns.start, columns.stop) if end is not None]
    if not ends or columns.step not in (None, 1) or any(end not in names for end in ends):
        return columns
    start = 0 if columns.start is None else names.index(columns.start)
    stop = len(names) if columns.stop is None else names.index(columns.stop) + 1
    return names[start:stop]


def make_folds(
    cv: Any, X: Any, y: NDArray[Any], rows: NDArray[np.int64], params: Mapping[str, Any]
) -> list[Fold]:
    """Return the folds of some rows, as indices into all.

    Parameters
    ----------
    cv : splitter
        As `sklearn.model_selection.check_cv` returns it. One that was given as splits, or as a
        `PredefinedSplit`, is of all rows: those that are not in `rows` are left out of it.
    X, y : {ndarray, sparse matrix, data frame} and ndarray
    rows : ndarray of int64
    params : mapping
        More parameters of ``cv.split``, cut row by row.

    Raises
    ------
    ParameterError
        If there is no fold, or one without rows, or with rows that there are not.
    """
    if isinstance(cv, PredefinedSplit | _CVIterableWrapper):
        inside = np.zeros(len(y), dtype=bool)
        inside[rows] = True
        given = cv.cv if isinstance(cv, _CVIterableWrapper) else cv.split(X, y)
        splits = [_as_fold(split, len(y)) for split in given]
        folds = [(train[inside[train]], test[inside[test]]) for train, test in splits]
    else:
        cut = _check_method_params(X, params, rows)
        splits = [
            _as_fold(split, len(rows)) for split in cv.split(take_rows(X, rows), y[rows], **cut)
        ]
        folds = [(rows[train], rows[test]) for train, test in splits]
    if not folds:
        raise ParameterError(
            "cv gives no split: a generator of splits is used up by the first fit, so give a list "
            "of them, or a splitter"
        )
    for number, fold in enumerate(folds):
        if min(map(len, fold)) == 0:
            raise ParameterError(f"split {number} of cv leaves no rows to fit on or to score on")
    return folds


def _as_fold(split: Any, n_rows: int) -> Fold:
    try:
        train, test = split
    except (TypeError, ValueError):
        raise ParameterError(
            f"cv gives {split!r:.80}: each split must be two lists, rows to fit on and to score on"
        ) from None
    return _indices(train, n_rows), _indices(test, n_rows)


def _indices(rows: Any, n_rows: int) -> NDArray[np.int64]:
    rows = np.asarray(rows)
    if rows.dtype == bool and rows.shape == (n_rows,):
        return np.flatnonzero(rows)
    if rows.size == 0:
        return np.empty(0, np.int64)
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise ParameterError("cv gives rows that are neither numbers nor a mask with an entry each")
    if rows.min() < -n_rows or rows.max() >= n_rows:
        raise ParameterError(f"cv gives rows up to {rows.max()}, and there are {n_rows}")
    indices: NDArray[np.int64] = rows.astype(np.int64) % n_rows
    return indices


def _without_matrices(params: Mapping[str, Any], shape: tuple[int, int]) -> Mapping[str, Any]:
    for name, value in params.items():
        pairs = value if isinstance(value, list | tuple) else []
        parts = [part for pair in pairs for part in (pair if isinstance(pair, tuple) else (pair,))]
        # A matrix with an entry per row may be anything, such as a score for each class.
        if getattr(value, "shape", ())[:1] != shape[:1]:
            parts.append(value)
        if any(getattr(part, "shape", ())[1:] == shape[1:] for part in parts):
            raise ParameterError(
                f"{name} holds a matrix of all {shape[1]} columns, and each subset is judged on "
                f"some of them: leave {name} out, and let the estimator split off what it needs"
            )
    return params
