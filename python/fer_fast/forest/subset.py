"""The final forest on a chosen subset of the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

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


def fit_classifier(
    X: NDArray[np.float32],
    y: NDArray[np.integer],
    subset: NDArray[np.int64],
    *,
    engine: Engine = "native",
    n_estimators: int = 90,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> SubsetClassifier:
    """Fit a random forest on the chosen features.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
    y : ndarray of shape (n_rows,), integer
    subset : ndarray of shape (n_selected,), int64
        The chosen features, ascending.
    engine : {"native", "sklearn"}, default="native"
        `HistForestClassifier`, or scikit-learn's `RandomForestClassifier`.
    n_estimators : int, default=90
        Trees in the forest.
    random_state : int, default=0
    n_jobs : int or None, default=None
        Threads that grow trees; the forest is the same for any number.
    """
    kind: Any = HistForestClassifier if engine == "native" else RandomForestClassifier
    forest = kind(n_estimators=n_estimators, random_state=random_state, n_jobs=n_jobs)
    # All features are no copy of what may be a gigabyte.
    forest.fit(X if len(subset) == X.shape[1] else X[:, subset], y)
    return SubsetClassifier(forest, subset, X.shape[1])
