"""The same features and forest under an honest protocol and under two that flatter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_fast.balance.smote import balance_classes
from fer_fast.classifier.final import SubsetClassifier, fit_classifier
from fer_fast.classifier.scores import Scores, score
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.splitting import stratified_parts
from fer_fast.progress import SILENT, Reporter


@dataclass(frozen=True)
class Protocol:
    """A way to fit and to test.

    Attributes
    ----------
    name : str
    verdict : str
        One sentence: what makes it right or wrong.
    scores : Scores
    """

    name: str
    verdict: str
    scores: Scores


def compare_protocols(
    X: NDArray[np.float32],
    dataset: FaceDataset,
    *,
    n_estimators: int = 90,
    random_state: int = 0,
    n_jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> list[Protocol]:
    """Fit the forest three times and test it in four ways, two of them wrong.

    Parameters
    ----------
    X : ndarray of shape (n_faces, n_features), float32
        Rows as in the data set.
    dataset : FaceDataset
    n_estimators, random_state, n_jobs : int
        Of every forest; the second is SMOTE's and the random split's seed too.
    reporter : Reporter
    """
    y = dataset.labels.astype(np.int64)
    training, test = dataset.rows(Split.TRAINING), dataset.rows(Split.PRIVATE_TEST)
    everything = np.arange(X.shape[1])

    def oversampled(
        X: NDArray[np.float32], y: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return balance_classes(X, y, random_state=random_state, n_jobs=n_jobs)

    compared = []
    with reporter.task("comparing protocols", 4, "protocols") as task:

        def fitted(X: NDArray[np.float32], y: NDArray[np.int64]) -> SubsetClassifier:
            return fit_classifier(
                X,
                y,
                everything,
                n_estimators=n_estimators,
                random_state=random_state,
                n_jobs=n_jobs,
            )

        def compare(
            name: str,
            verdict: str,
            classifier: SubsetClassifier,
            test_on: tuple[NDArray[np.float32], NDArray[np.int64]],
        ) -> None:
            X_test, y_test = test_on
            scores = score(y_test, classifier.predict(X_test), dataset.class_names)
            compared.append(Protocol(name, verdict, scores))
            task.advance(status=name)

        real_test = X[test], y[test]
        compare(
            "Training → PrivateTest",
            "Honest: the test rows are real faces that had no part in fitting.",
            fitted(X[training], y[training]),
            real_test,
        )
        on_balanced = fitted(*oversampled(X[training], y[training]))
        compare(
            "SMOTE on Training → PrivateTest",
            "Honest: synthetic rows only help to fit, none is tested on.",
            on_balanced,
            real_test,
        )
        compare(
            "the same → PrivateTest, oversampled too",
            "Wrong: most test rows of a rare class are mixtures of a few real ones, so that the "
            "figure describes a test set that no camera took.",
            on_balanced,
            oversampled(*real_test),
        )
        X_all, y_all = oversampled(np.asarray(X), y)
        fit_on, test_on = stratified_parts(
            y_all, len(y_all) - math.ceil(len(y_all) / 5), random_state=random_state
        )
        compare(
            "SMOTE on everything → a random fifth of it",
            "Wrong: a test row is a mixture of rows that the forest was fitted on, or one of those "
            "that such a row was mixed from, so that it has all but seen the answer.",
            fitted(X_all[fit_on], y_all[fit_on]),
            (X_all[test_on], y_all[test_on]),
        )
    return compared
