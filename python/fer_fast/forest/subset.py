"""The final forests on chosen subsets of the features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from fer_fast._core import BinnedRows
from fer_fast.forest.hist_forest import HistForestClassifier
from fer_fast.settings import Engine


@dataclass(frozen=True)
class SubsetClassifier:
    """A random forest that sees only the chosen features.

    Attributes
    ----------
    forest : HistForestClassifier or RandomForestClassifier
        Fitted on the chosen columns, in the order of `subset`.
    subset : ndarray of shape (n_selected,), int64
        The chosen features, ascending.
    n_features : int
        How many features there were to choose from.
    """

    forest: HistForestClassifier | RandomForestClassifier
    subset: NDArray[np.int64]
    n_features: int

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.integer]:
        """Predict the labels of rows with all their features.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32

        Returns
        -------
        ndarray of shape (n_rows,), integer
        """
        labels: NDArray[np.integer] = self.forest.predict(X[:, self.subset])
        return labels

    def predict_proba(self, X: NDArray[np.float32], n_classes: int) -> NDArray[np.float64]:
        """Predict the probability of every label that there is.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32
        n_classes : int
            The labels are 0 to ``n_classes - 1``; one that no training row had gets 0.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), float64
        """
        probabilities = np.zeros((len(X), n_classes))
        probabilities[:, self.forest.classes_] = self.forest.predict_proba(X[:, self.subset])
        return probabilities


def bin_rows(X: NDArray[np.float32], *, n_jobs: int | None = None) -> BinnedRows:
    """Cut every feature into bins, once for all native forests on these rows.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
        Finite.
    n_jobs : int or None
        Threads.
    """
    rows = np.require(X, np.float32, ["C", "A"])
    return BinnedRows(rows, n_threads=effective_n_jobs(n_jobs))


@dataclass(frozen=True)
class SubsetForests:
    """Fits the same forest on one subset of the features after another.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
        Finite.
    y : ndarray of shape (n_rows,), integer
        At most 256 different labels.
    engine : {"native", "sklearn"}, default="native"
        `HistForestClassifier`, whose columns are cut into bins once for all subsets, or
        scikit-learn's `RandomForestClassifier`.
    n_estimators : int, default=90
        Trees of a forest.
    random_state : int, default=0
    n_jobs : int or None, default=None
        Threads that grow trees; a forest is the same for any number.
    binned : BinnedRows or None, default=None
        What `bin_rows` made of `X`, if that is done.
    """

    X: NDArray[np.float32]
    y: NDArray[np.integer]
    engine: Engine = "native"
    n_estimators: int = 90
    random_state: int = 0
    n_jobs: int | None = None
    binned: BinnedRows | None = None

    def fit(self, subset: NDArray[np.int64]) -> SubsetClassifier:
        """Return the forest on the chosen features.

        Parameters
        ----------
        subset : ndarray of shape (n_selected,), int64
            Ascending.
        """
        params: dict[str, Any] = {"random_state": self.random_state, "n_jobs": self.n_jobs}
        forest: HistForestClassifier | RandomForestClassifier
        if self.engine == "native":
            forest = HistForestClassifier(self.n_estimators, **params)
            forest._fit_columns(self._bins, self.y, subset)
        else:
            forest = RandomForestClassifier(self.n_estimators, **params)
            n_features = self.X.shape[1]
            # All features are no copy of what may be a gigabyte.
            forest.fit(self.X if len(subset) == n_features else self.X[:, subset], self.y)
        return SubsetClassifier(forest, subset, self.X.shape[1])

    @cached_property
    def _bins(self) -> BinnedRows:
        return self.binned or bin_rows(self.X, n_jobs=self.n_jobs)
