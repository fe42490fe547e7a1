"""The scikit-learn face of the native forest: parameters, labels and weights in, scores out."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal, Self

import joblib
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array, check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fer_fast._core import BinnedRows, fit_trees
from fer_fast.errors import DataError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

# Bins of a column, classes and trees that the native forest can tell apart.
MAX_BINS = 64
MAX_CLASSES = 256
MAX_TREES = 2**20

_MAX_DEPTH = 2**31


class HistForestClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A random forest on binned columns: scikit-learn's forest for wide data, many times as fast.

    Every column is cut once into at most `max_bins` bins of about equal weight, one byte a cell;
    the trees then draw and split as those of `sklearn.ensemble.RandomForestClassifier` do. Up to
    `max_bins` distinct values are a bin each, so columns of few values lose nothing. Thresholds are
    kept on the original scale, halfway between the values left and right of them, and prediction
    needs no bins.

    The forest is a function of the rows and of `random_state`: neither the order of the rows nor
    `n_jobs` changes it.

    Parameters
    ----------
    n_estimators : int, default=100
        Trees of the forest, up to 2**20.
    max_depth : int or None, default=None
        Depth bound of a tree; None grows it until its leaves are pure.
    min_samples_split : int or float, default=2
        Distinct rows that a node must have to be split; a float is a fraction of all rows.
    min_samples_leaf : int or float, default=1
        Distinct rows that each side of a split must keep; a float is a fraction of all rows.
    min_weight_fraction_leaf : float, default=0.0
        The share in the weight of a tree's rows that each side of a split must keep, up to 0.5.
    max_features : {"sqrt", "log2"}, int, float or None, default="sqrt"
        Columns that a node looks at: the root or the logarithm of their number, so many, that
        fraction, or all. As in scikit-learn, a node looks on where all of these are constant.
    bootstrap : bool, default=True
        Whether a tree draws its rows with replacement, in proportion to their weights, or takes
        every row.
    oob_score : bool or callable, default=False
        Whether to score every row by the trees that did not draw it; a callable is the metric,
        called with true and predicted labels, in place of the accuracy. Needs `bootstrap`.
    n_jobs : int or None, default=None
        Threads to fit and predict on: -1 is one a core, None is 1 unless a joblib context says
        otherwise.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is drawn.
    class_weight : {"balanced", "balanced_subsample"}, dict or None, default=None
        Weights of the classes, which multiply those of the rows. "balanced" weighs a row by the
        inverse weight of all rows of its class; "balanced_subsample" does so in every tree, by the
        rows that it drew.
    max_samples : int, float or None, default=None
        Rows that a tree draws: a number; a fraction of the rows, or of the sum of
        `sample_weight`; or None for as many as there are. Where all of `sample_weight` are whole
        numbers, a row then counts as so many.
    max_bins : int, default=64
        Bins of a column, from 2 to 64. Missing values take one of them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, ascending; at most 256.
    n_classes_ : int
        Their number.
    n_features_in_ : int
        Columns seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, if `fit` saw a data frame of strings for names.
    feature_importances_ : ndarray of shape (n_features_in_,), float64
        Each column's share in the decrease of Gini's impurity over the rows that a tree drew, as
        scikit-learn defines it. It flatters columns of many values, and noise.
    oob_feature_importances_ : ndarray of shape (n_features_in_,), float64
        The same decrease measured on rows that the tree did not draw: what the column's splits add
        to the share that a tree gives a row's true class, mean over all pairs of a tree and such a
        row [1]_. Noise earns nothing on average, or less. Exists only with `oob_score`.
    oob_score_ : float
        Accuracy, or the metric given, of the rows that a tree did not draw. Exists only with
        `oob_score`.
    oob_decision_function_ : ndarray of shape (n_samples, n_classes), float64
        Class probabilities by the trees that did not draw a row; NaN where every tree drew it, and
        `oob_score_` leaves such rows out. Exists only with `oob_score`.

    Notes
    -----
    Missing values (NaN) are a value of their own: a split sends them to the side that makes both
    sides purer, or, where it saw none, to the side of more rows. Infinite values are refused.

    With `bootstrap`, weights decide how likely a row is drawn, as in scikit-learn from 1.9 on;
    without, they weigh the rows, rounded to a part in 2**31 of their sum. They do not move the
    bins, but rows of weight 0 are left out altogether. Where columns have at most `max_bins`
    values, a row of whole weight w is as good as w rows.

    Memory: `fit` holds one byte a cell, beside a float32 copy of `X` if it is not a C-contiguous
    float32 matrix already, and some 12 bytes a row for each of up to 45 trees grown together on a
    thread. A fitted forest takes 12 bytes a node, and 4 bytes a class for each leaf of several
    classes.

    References
    ----------
    .. [1] Li, Wang, Basu, Kumbier & Yu (2019), "A debiased MDI feature importance measure for
       random forests".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = HistForestClassifier(oob_score=True, random_state=0).fit(X, y)
    >>> bool(forest.oob_score_ > 0.9)
    True
    """

    def __init__(
        self,
        n_estimators: int = 100,
        *,
        max_depth: int | None = None,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        min_weight_fraction_leaf: float = 0.0,
        max_features: Literal["sqrt", "log2"] | int | float | None = "sqrt",
        bootstrap: bool = True,
        oob_score: bool | Callable[[NDArray[Any], NDArray[Any]], float] = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        class_weight: Literal["balanced", "balanced_subsample"] | Mapping[Any, float] | None = None,
        max_samples: int | float | None = None,
        max_bins: int = MAX_BINS,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.min_weight_fraction_leaf = min_weight_fraction_leaf
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.class_weight = class_weight
        self.max_samples = max_samples
        self.max_bins = max_bins

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Grow the forest.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; NaN is a missing value.
        y : array-like of shape (n_samples,)
            Class labels of any kind, at most 256 different ones.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, none negative; None weighs all alike.

        Returns
        -------
        HistForestClassifier
            This object.

        Raises
        ------
        ParameterError
            If a parameter is out of range, or two exclude each other; a ValueError too.
        DataError
            If there are more than 256 classes; a ValueError too.
        ValueError
            If rows, labels or weights are not what they should be, in scikit-learn's words.
        """
        self._check_parameters()
        rows, labels = self._as_rows(X, y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        if self.n_classes_ > MAX_CLASSES:
            raise DataError(
                f"y has {self.n_classes_} different labels: HistForestClassifier takes up to "
                f"{MAX_CLASSES}"
            )
        counts = _sample_weights(sample_weight, len(rows))
        by_class = self._class_weights(counts, codes)
        weights = counts
        if by_class is not None:
            weights = by_class[codes] if counts is None else by_class[codes] * counts
        # A row of no weight must move neither the bins nor what is drawn.
        taken = slice(None) if weights is None or weights.all() else weights > 0
        if not self.bootstrap:
            weights = counts
        threads = joblib.effective_n_jobs(self.n_jobs)
        self._trees, self.feature_importances_, out_of_bag = fit_trees(
            BinnedRows(rows[taken], n_threads=threads, max_bins=int(self.max_bins)),
            codes[taken].astype(np.uint8),
            self.n_classes_,
            row_weights=None if weights is None else weights[taken],
            class_weights=None if self.bootstrap else by_class,
            draws=self._draws(len(rows), counts) if self.bootstrap else None,
            balance_trees=self.class_weight == "balanced_subsample" and self.bootstrap,
            out_of_bag=bool(self.oob_score),
            **self._growth(*rows.shape),
        )
        if out_of_bag is not None:
            probabilities, self.oob_feature_importances_ = out_of_bag
            self._score_out_of_bag(rows, labels, taken, probabilities)
        return self

    def _fit_columns(
        self, rows: BinnedRows, y: NDArray[np.integer], columns: NDArray[np.int64]
    ) -> Self:
        """Grow the forest that `fit` grows on some columns, of rows that were binned before."""
        self._check_parameters()
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.n_classes_, self.n_features_in_ = len(self.classes_), len(columns)
        self._trees, self.feature_importances_, _ = fit_trees(
            rows,
            codes.astype(np.uint8),
            self.n_classes_,
            columns=columns,
            draws=self._draws(len(y), None) if self.bootstrap else None,
            **self._growth(len(y), len(columns)),
        )
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean over the trees of the class shares in the leaf that a row reaches.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            Columns as in `classes_`.
        """
        check_is_fitted(self)
        rows = self._as_rows(X, reset=False)
        probabilities: NDArray[np.float64] = self._trees.probabilities(
            rows, joblib.effective_n_jobs(self.n_jobs)
        )
        return probabilities

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the logarithm of `predict_proba`: minus infinity where that is 0.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), float64
            Columns as in `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable label of each row; of equal ones, the first of `classes_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels of the kind that `fit` saw.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _as_rows(self, X: ArrayLike, *y: ArrayLike, reset: bool = True) -> Any:
        """Return the matrix that the native forest reads, and checked labels if there are any."""
        return validate_data(
            self, X, *y, dtype=np.float32, order="C", ensure_all_finite="allow-nan", reset=reset
        )

    def _check_parameters(self) -> None:
        _check("n_estimators", self.n_estimators, whole=(1, MAX_TREES))
        if self.max_depth is not None:
            _check("max_depth", self.max_depth, whole=(1, None))
        _check("min_samples_split", self.min_samples_split, whole=(2, None), share=1.0)
        _check("min_samples_leaf", self.min_samples_leaf, whole=(1, None), share=1.0)
        if not 0 <= self.min_weight_fraction_leaf <= 0.5:
            raise ParameterError(
                f"min_weight_fraction_leaf is {self.min_weight_fraction_leaf!r}: use 0.0 to 0.5"
            )
        if self.max_features not in ("sqrt", "log2", None):
            _check("max_features", self.max_features, whole=(1, None), share=1.0)
        if self.max_samples is not None:
            _check("max_samples", self.max_samples, whole=(1, None), share=math.inf)
        _check("max_bins", self.max_bins, whole=(2, MAX_BINS))
        if isinstance(self.class_weight, str) and self.class_weight not in (
            "balanced",
            "balanced_subsample",
        ):
            raise ParameterError(
                f'class_weight is {self.class_weight!r}: use "balanced", "balanced_subsample", '
                "a dict or None"
            )
        if self.max_samples is not None and not self.bootstrap:
            raise ParameterError(
                "max_samples is how many rows a bootstrap draws: leave it None without bootstrap"
            )
        if self.oob_score and not self.bootstrap:
            raise ParameterError("oob_score needs rows that a tree did not draw: set bootstrap")

    def _growth(self, n_rows: int, n_columns: int) -> dict[str, Any]:
        """Return seed, threads, and the bounds of the trees as numbers of rows and columns."""

        def rows(bound: int | float) -> int:
            is_share = not isinstance(bound, int | np.integer)
            return math.ceil(bound * n_rows) if is_share else min(int(bound), n_rows + 1)

        if self.max_features == "sqrt":
            columns: float = math.isqrt(n_columns)
        elif self.max_features == "log2":
            columns = math.log2(n_columns)
        elif self.max_features is None:
            columns = n_columns
        elif isinstance(self.max_features, int | np.integer):
            columns = min(self.max_features, n_columns)
        else:
            columns = self.max_features * n_columns
        return {
            "n_trees": int(self.n_estimators),
            "max_depth": None if self.max_depth is None else min(self.max_depth, _MAX_DEPTH),
            "min_samples_split": max(2, rows(self.min_samples_split)),
            "min_samples_leaf": rows(self.min_samples_leaf),
            "min_weight_fraction_leaf": self.min_weight_fraction_leaf,
            "max_features": max(1, int(columns)),
            "seed": check_random_state(self.random_state).randint(np.iinfo(np.int32).max),
            "n_threads": joblib.effective_n_jobs(self.n_jobs),
        }

    def _draws(self, n_rows: int, counts: NDArray[np.float64] | None) -> int:
        """Return how many rows a tree draws."""
        if isinstance(self.max_samples, int | np.integer):
            return int(self.max_samples)
        if self.max_samples is not None:
            total = n_rows if counts is None else counts.sum()
            return max(1, int(self.max_samples * total))
        are_counts = counts is not None and bool((counts == np.floor(counts)).all())
        return int(counts.sum()) if counts is not None and are_counts else n_rows

    def _class_weights(
        self, counts: NDArray[np.float64] | None, codes: NDArray[np.intp]
    ) -> NDArray[np.float64] | None:
        """Return one weight a class, or None where all weigh alike or trees balance them."""
        class_weight = self.class_weight
        if class_weight == "balanced_subsample":
            # Without bootstrap, every tree has all rows.
            class_weight = None if self.bootstrap else "balanced"
        if class_weight is None:
            return None
        if class_weight == "balanced":
            sums = np.bincount(codes, counts, self.n_classes_)
            balanced: NDArray[np.float64] = sums.sum() / (
                self.n_classes_ * np.where(sums > 0, sums, 1)
            )
            return balanced
        weights: NDArray[np.float64] = compute_class_weight(
            class_weight, classes=self.classes_, y=self.classes_[codes]
        )
        if not (np.isfinite(weights).all() and weights.min() > 0):
            raise ParameterError(
                f"class_weight is {class_weight!r}: use weights that are positive and finite"
            )
        return weights

    def _score_out_of_bag(
        self,
        rows: NDArray[np.float32],
        labels: NDArray[Any],
        taken: slice | NDArray[np.bool],
        probabilities: NDArray[np.float64],
    ) -> None:
        decision = np.empty((len(rows), self.n_classes_))
        decision[taken] = probabilities
        if not isinstance(taken, slice):
            # No tree drew a row of no weight.
            decision[~taken] = self.predict_proba(rows[~taken])
        judged = ~np.isnan(decision[:, 0])
        if not judged.all():
            warnings.warn(
                "Some inputs do not have OOB scores. This probably means too few trees were used "
                "to compute any reliable OOB estimates.",
                stacklevel=3,
            )
        metric = self.oob_score if callable(self.oob_score) else accuracy_score
        predicted = self.classes_[decision[judged].argmax(axis=1)]
        self.oob_decision_function_ = decision
        self.oob_score_ = float(metric(labels[judged], predicted)) if judged.any() else math.nan


def _check(
    name: str, value: Any, *, whole: tuple[int, int | None], share: float | None = None
) -> None:
    """Refuse what is neither a whole number in a range nor, if one may be, a share of all."""
    low, high = whole
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value >= low and (high is None or value <= high):
            return
    elif share is not None and isinstance(value, float | np.floating) and 0 < value <= share:
        return
    bound = f"a whole number from {low} on" if high is None else f"a whole number, {low} to {high}"
    if share is not None:
        bound += ", or a fraction above 0" + (" and up to 1" if share == 1 else "")
    raise ParameterError(f"{name} is {value!r}: use {bound}")


def _sample_weights(sample_weight: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    """Return one weight a row."""
    if sample_weight is None:
        return None
    weights: NDArray[np.float64] = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_rows,):
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(n_rows,)}!")
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights
