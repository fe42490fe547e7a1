"""How good a subset of features is: a random forest fitted on it, scored on held-out rows."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight

from fer_fast._core import EvaluationCut, Forest
from fer_fast.errors import DataError, ParameterError
from fer_fast.settings import Engine, Scoring

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ForestFitness:
    """Score of a random forest that sees only a subset of the features.

    Calling it with a subset fits a forest on the training rows and scores its predictions for the
    validation rows. The forest's seed is the same for every subset, so the score is a pure function
    of the subset. Calls from several threads at once are safe.

    Parameters
    ----------
    X_train : ndarray of shape (n_train, n_features), float32
    y_train : ndarray of shape (n_train,)
        Class labels, at most 256 different ones.
    X_val : ndarray of shape (n_val, n_features), float32, or None
        Real rows that no training row was made from. None scores every training row by the trees
        that did not draw it (out of bag), which flatters rows that have duplicates or synthetic
        relatives.
    y_val : ndarray of shape (n_val,), or None
    engine : {"native", "sklearn"}
        "native" grows its forests on columns cut once into at most 64 bins, and no branch that no
        scored row reaches; "sklearn" is scikit-learn's `RandomForestClassifier`. Both draw and
        split alike; at 2,000 rows their scores rank subsets of mixed sizes nearly as alike as two
        draws of seeds of one of them do.
    n_estimators : int
        Trees of a forest, up to 2**20.
    scoring : {"f1_macro", "accuracy"}
        As scikit-learn defines them.
    max_depth : int or None
        Depth bound of a tree; None grows it until its leaves are pure.
    min_samples_leaf : int
        Distinct training rows that each side of a split must keep.
    max_samples : int, float or None
        Rows that a tree draws, with replacement: a number, a fraction of `n_train`, or None for
        `n_train`.
    class_weight : {"balanced"} or None
        "balanced" weighs a row by the inverse frequency of its class.
    random_state : int
        Seed of the forest, from 0 to 2**32 - 1.
    n_jobs : int
        Threads inside one evaluation, up to 4096; -1: one a core. Leave it at 1 where as many
        subsets as there are cores are scored at once.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The training labels, ascending.
    n_features : int
        Features that a subset may name.
    """

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None = None,
        y_val: NDArray[Any] | None = None,
        *,
        engine: Engine = "native",
        n_estimators: int = 90,
        scoring: Scoring = "f1_macro",
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_samples: int | float | None = None,
        class_weight: Literal["balanced"] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        _check_rows(X_train, y_train, X_val, y_val)
        if engine not in ("native", "sklearn"):
            raise ParameterError(f'unknown fitness engine {engine!r}: use "native" or "sklearn"')
        if scoring not in ("f1_macro", "accuracy"):
            raise ParameterError(f'unknown scoring {scoring!r}: use "f1_macro" or "accuracy"')
        if class_weight not in (None, "balanced"):
            raise ParameterError(f'unknown class_weight {class_weight!r}: use None or "balanced"')
        n_train = len(X_train)
        for name, value, low, high in (
            ("n_estimators", n_estimators, 1, 2**20),
            ("max_depth", 1 if max_depth is None else max_depth, 1, None),
            ("min_samples_leaf", min_samples_leaf, 1, None),
            ("random_state", random_state, 0, 2**32 - 1),
            ("n_jobs", 1 if n_jobs == -1 else n_jobs, 1, 4096),
        ):
            if value < low:
                raise ParameterError(f"{name} is {value}: use at least {low}")
            if high is not None and value > high:
                raise ParameterError(f"{name} is {value}: use at most {high}")
        self.scoring = scoring
        self.random_state = random_state
        self.n_features = int(X_train.shape[1])
        self.classes_: NDArray[Any] = np.unique(y_train)
        self._y_scored = y_train if y_val is None else y_val
        params = {
            "n_estimators": n_estimators,
            # More than there are rows changes nothing, and need not fit an engine's integers.
            "max_depth": None if max_depth is None else min(max_depth, n_train),
            "min_samples_leaf": min(min_samples_leaf, n_train),
            "max_samples": _draws(max_samples, n_train),
            "class_weight": class_weight,
            "n_jobs": n_jobs,
        }
        engine_class = _NativeForest if engine == "native" else _SklearnForest
        self._forest: _Forest = engine_class(X_train, y_train, X_val, params)
        self._deadline: float | None = None

    @property
    def deadline(self) -> float | None:
        """A reading of `time.monotonic` after which evaluations are cut; None: no limit.

        The native engine stops an evaluation under way within milliseconds for tens of thousands of
        rows, whatever thread it runs on; scikit-learn's forest is fitted to its end, and only later
        ones are cut.
        """
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._forest.stop_at(deadline)

    def __call__(self, subset: NDArray[np.int64]) -> float:
        """Score one subset.

        Parameters
        ----------
        subset : ndarray of shape (k,), int64
            Ascending feature indices.

        Returns
        -------
        float
            Higher is better, 1 is perfect.

        Raises
        ------
        EvaluationCut
            If the deadline has passed.
        ParameterError
            If the subset is empty or names a feature that does not exist.
        """
        probabilities = self.predict_proba(subset)
        # Out of bag, a row that every tree drew has no prediction.
        predicted = ~np.isnan(probabilities[:, 0])
        y_true = self._y_scored[predicted]
        y_pred = self.classes_[probabilities[predicted].argmax(axis=1)]
        if self.scoring == "accuracy":
            return float(accuracy_score(y_true, y_pred))
        return float(f1_score(y_true, y_pred, average="macro", zero_division=0))

    def predict_proba(self, subset: NDArray[np.int64]) -> NDArray[np.float64]:
        """Fit a forest on one subset and return its class probabilities for the scored rows.

        Parameters
        ----------
        subset : ndarray of shape (k,), int64
            Ascending feature indices.

        Returns
        -------
        ndarray of shape (n_scored, n_classes), float64
            For the validation rows, or without them out of bag for the training rows; columns as in
            `classes_`. NaN where no tree has a vote.

        Raises
        ------
        EvaluationCut
            If the deadline has passed.
        ParameterError
            If the subset is empty or names a feature that does not exist.
        """
        if len(subset) == 0 or subset.min() < 0 or subset.max() >= self.n_features:
            raise ParameterError(
                f"a subset must name at least one of the features 0 to {self.n_features - 1}"
            )
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise EvaluationCut
        return self._forest.probabilities(subset, self.random_state)


class _Forest(Protocol):
    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        params: dict[str, Any],
    ) -> None: ...

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]: ...

    def stop_at(self, deadline: float | None) -> None: ...


class _NativeForest:
    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        params: dict[str, Any],
    ) -> None:
        classes, labels = np.unique(y_train, return_inverse=True)
        if len(classes) > 256:
            raise DataError(f"{len(classes)} different labels: the native forest takes up to 256")
        weights = None
        if params["class_weight"] is not None:
            weights = compute_class_weight(params["class_weight"], classes=classes, y=y_train)
        self._n_jobs = params["n_jobs"]
        try:
            self._forest = Forest(
                np.require(X_train, np.float32, ["C", "A"]),
                labels.astype(np.uint8),
                len(classes),
                None if X_val is None else np.require(X_val, np.float32, ["C", "A"]),
                n_trees=params["n_estimators"],
                max_depth=params["max_depth"],
                min_samples_leaf=params["min_samples_leaf"],
                draws=params["max_samples"],
                class_weights=weights,
            )
        except ValueError as error:
            raise DataError(f"a forest cannot be grown on these rows: {error}") from error

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        subset = np.require(subset, np.int64, ["C", "A"])
        return self._forest.probabilities(subset, seed, self._n_jobs)

    def stop_at(self, deadline: float | None) -> None:
        self._forest.stop_in(None if deadline is None else deadline - time.monotonic())


class _SklearnForest:
    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        params: dict[str, Any],
    ) -> None:
        self._X_train, self._y_train, self._X_val = X_train, y_train, X_val
        self._params = params

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        out_of_bag = self._X_val is None
        forest = RandomForestClassifier(oob_score=out_of_bag, random_state=seed, **self._params)
        with warnings.catch_warnings():
            # It warns of rows that every tree drew; here they are NaN, and not scored.
            warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
            forest.fit(self._X_train[:, subset], self._y_train)
        probabilities: NDArray[np.float64]
        if self._X_val is not None:
            probabilities = forest.predict_proba(self._X_val[:, subset])
        else:
            probabilities = forest.oob_decision_function_
            probabilities[probabilities.sum(axis=1) == 0] = np.nan
        return probabilities

    def stop_at(self, deadline: float | None) -> None:
        """Do nothing: a fit of scikit-learn cannot be stopped from outside."""


def _check_rows(
    X_train: NDArray[np.float32],
    y_train: NDArray[Any],
    X_val: NDArray[np.float32] | None,
    y_val: NDArray[Any] | None,
) -> None:
    if (X_val is None) != (y_val is None):
        raise ParameterError("X_val and y_val go together: give both, or neither for out of bag")
    for X, y, rows in ((X_train, y_train, "training"), (X_val, y_val, "validation")):
        if X is None or y is None:
            continue
        if X.ndim != 2 or len(X) != len(y) or X.size == 0:
            raise DataError(
                f"{rows} X of shape {X.shape} does not match {len(y)} labels: one row a label"
            )
        if X.shape[1] != X_train.shape[1]:
            raise DataError(
                f"{rows} rows have {X.shape[1]} features and training rows {X_train.shape[1]}: "
                "they must agree"
            )


def _draws(max_samples: int | float | None, n_train: int) -> int:
    if max_samples is None:
        return n_train
    draws = max_samples if isinstance(max_samples, int) else round(max_samples * n_train)
    if not 1 <= draws <= n_train:
        raise ParameterError(
            f"max_samples is {max_samples}: use a number of rows from 1 to {n_train}, or a share"
        )
    return int(draws)
