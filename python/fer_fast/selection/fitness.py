"""How good a subset of features is: a random forest fitted on it, scored on held-out rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from fer_fast.errors import DataError, ParameterError
from fer_fast.selection._exceptions import EvaluationCut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Scoring = Literal["f1_macro", "accuracy"]


class ForestFitness:
    """Score of a random forest that sees only a subset of the features.

    Calling it with a subset fits a forest on the training rows and scores its predictions for the
    validation rows. The forest's seed is the same for every subset, so the score is a pure function
    of the subset. Calls from several threads at once are safe.

    Parameters
    ----------
    X_train : ndarray of shape (n_train, n_features), float32
    y_train : ndarray of shape (n_train,)
        Class labels.
    X_val : ndarray of shape (n_val, n_features), float32
        Real rows that no training row was made from.
    y_val : ndarray of shape (n_val,)
    engine : {"sklearn"}
        Whose forest it is.
    n_estimators : int
        Trees of a forest.
    scoring : {"f1_macro", "accuracy"}
        As scikit-learn defines them.
    max_depth : int or None
        Depth bound of a tree; None grows it until its leaves are pure.
    min_samples_leaf : int
        Training rows that each side of a split must keep.
    max_samples : int, float or None
        Rows that a tree draws, with replacement: a number, a fraction of `n_train`, or None for
        `n_train`.
    class_weight : {"balanced"} or None
        "balanced" weighs a row by the inverse frequency of its class.
    random_state : int
        Seed of the forest.
    n_jobs : int
        Threads inside one evaluation. Leave it at 1 where subsets are scored concurrently.

    Attributes
    ----------
    deadline : float or None
        A reading of `time.monotonic` after which no evaluation starts; None: no limit.
    """

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32],
        y_val: NDArray[Any],
        *,
        engine: Literal["sklearn"] = "sklearn",
        n_estimators: int = 90,
        scoring: Scoring = "f1_macro",
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        max_samples: int | float | None = None,
        class_weight: Literal["balanced"] | None = None,
        random_state: int = 0,
        n_jobs: int = 1,
    ) -> None:
        if engine != "sklearn":
            raise ParameterError(f'unknown fitness engine {engine!r}: use "sklearn"')
        if scoring not in ("f1_macro", "accuracy"):
            raise ParameterError(f'unknown scoring {scoring!r}: use "f1_macro" or "accuracy"')
        for X, y, rows in ((X_train, y_train, "training"), (X_val, y_val, "validation")):
            if X.ndim != 2 or len(X) != len(y) or len(y) == 0:
                raise DataError(
                    f"{rows} X of shape {X.shape} does not match {len(y)} labels: one row a label"
                )
        if X_train.shape[1] != X_val.shape[1]:
            raise DataError(
                f"training rows have {X_train.shape[1]} features and validation rows "
                f"{X_val.shape[1]}: they must agree"
            )
        self.scoring = scoring
        self.deadline: float | None = None
        self._X_train, self._y_train = X_train, y_train
        self._X_val, self._y_val = X_val, y_val
        self._forest_params = {
            "n_estimators": n_estimators,
            "max_depth": max_depth,
            "min_samples_leaf": min_samples_leaf,
            "max_samples": max_samples,
            "class_weight": class_weight,
            "random_state": random_state,
            "n_jobs": n_jobs,
        }

    @property
    def n_features(self) -> int:
        """Features that a subset may name."""
        return int(self._X_train.shape[1])

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
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise EvaluationCut
        if len(subset) == 0 or subset.min() < 0 or subset.max() >= self.n_features:
            raise ParameterError(
                f"a subset must name at least one of the features 0 to {self.n_features - 1}"
            )
        forest = RandomForestClassifier(**self._forest_params)
        forest.fit(self._X_train[:, subset], self._y_train)
        return _score(self.scoring, self._y_val, forest.predict(self._X_val[:, subset]))


def _score(scoring: Scoring, y_true: NDArray[Any], y_pred: NDArray[Any]) -> float:
    if scoring == "accuracy":
        return float(accuracy_score(y_true, y_pred))
    return float(f1_score(y_true, y_pred, average="macro", zero_division=0))
