"""The final forest on a chosen subset of the features, and the files that carry both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from fer_fast.storage import written_whole


@dataclass(frozen=True)
class SubsetClassifier:
    """A random forest that sees only the chosen features.

    Attributes
    ----------
    forest : RandomForestClassifier
        Fitted on the chosen columns, in the order of `subset`.
    subset : ndarray of shape (n_selected,), int64
        The chosen features, ascending.
    n_features : int
        How many features there were to choose from.
    """

    forest: RandomForestClassifier
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


def fit_classifier(
    X: NDArray[np.float32],
    y: NDArray[np.integer],
    subset: NDArray[np.int64],
    *,
    n_estimators: int = 90,
    random_state: int = 0,
    n_jobs: int | None = None,
) -> SubsetClassifier:
    """Fit scikit-learn's random forest on the chosen features.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features), float32
    y : ndarray of shape (n_rows,), integer
    subset : ndarray of shape (n_selected,), int64
        The chosen features, ascending.
    n_estimators : int, default=90
        Trees in the forest.
    random_state : int, default=0
    n_jobs : int or None, default=None
        Threads that grow trees; the forest is the same for any number.
    """
    forest = RandomForestClassifier(
        n_estimators=n_estimators, random_state=random_state, n_jobs=n_jobs
    )
    forest.fit(X[:, subset], y)
    return SubsetClassifier(forest, subset, X.shape[1])


def save_selection(
    path: Path, subset: NDArray[np.int64], n_features: int, *, complete: bool = True
) -> None:
    """Write the chosen features as JSON.

    Parameters
    ----------
    path : Path
    subset : ndarray of shape (n_selected,), int64
    n_features : int
        How many features there were to choose from.
    complete : bool, default=True
        False for the best subset of a search that was interrupted.
    """
    document = {
        "format": "fer-fast selection",
        "version": 1,
        "complete": complete,
        "n_features": n_features,
        "indices": subset.tolist(),
    }
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(document) + "\n", encoding="utf-8")


def save_forest(path: Path, classifier: SubsetClassifier) -> None:
    """Write the fitted forest with skops, which runs no code when the file is loaded.

    Load it with ``skops.io.load(path, trusted=["sklearn.tree._tree.Tree"])``; its columns are the
    features of the selection, in order.
    """
    with written_whole(path) as temporary:
        # The default level takes more than twice as long for a tenth less.
        skops.io.dump(classifier.forest, temporary, compression=ZIP_DEFLATED, compresslevel=3)
