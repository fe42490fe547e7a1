"""The same features and forest under an honest protocol and under two that flatter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_fast.balance.smote import balance_classes
from fer_fast.classifier.scores import Scores, score
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.splitting import stratified_parts
from fer_fast.forest.subset import SubsetClassifier, SubsetForests
from fer_fast.progress import SILENT, Reporter
from fer_fast.settings import ForestSettings


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


Matrix = NDArray[np.float32]
Labels = NDArray[np.int64]


def compare_protocols(
    X: Matrix,
    dataset: FaceDataset,
    forest: ForestSettings,
    *,
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
    forest : ForestSettings
    random_state, n_jobs : int
        Of every forest; the first is SMOTE's and the random split's seed too.
    reporter : Reporter
    """

    def oversample(X: Matrix, y: Labels) -> tuple[Matrix, Labels]:
        return balance_classes(X, y, random_state=random_state, n_jobs=n_jobs)

    def fit(X: Matrix, y: Labels) -> SubsetClassifier:
        forests = SubsetForests(X, y, forest.forest, forest.trees, random_state, n_jobs)
        return forests.fit(np.arange(X.shape[1]))

    compared = []
    with reporter.task("comparing protocols", 4, "protocols") as task:
        for protocol in _protocols(X, dataset, fit, oversample, random_state):
            compared.append(protocol)
            task.advance(status=protocol.name)
    return compared


def _protocols(
    X: Matrix,
    dataset: FaceDataset,
    fit: Callable[[Matrix, Labels], SubsetClassifier],
    oversample: Callable[[Matrix, Labels], tuple[Matrix, Labels]],
    seed: int,
) -> Iterator[Protocol]:
    y = dataset.labels.astype(np.int64)
    training, test = dataset.rows(Split.TRAINING), dataset.rows(Split.PRIVATE_TEST)

    def tested(classifier: SubsetClassifier, X_test: Matrix, y_test: Labels) -> Scores:
        return score(y_test, classifier.predict(X_test), dataset.class_names)

    yield Protocol(
        "Training → PrivateTest",
        "Honest: the test rows are real faces that had no part in fitting.",
        tested(fit(X[training], y[training]), X[test], y[test]),
    )
    on_balanced = fit(*oversample(X[training], y[training]))
    yield Protocol(
        "SMOTE on Training → PrivateTest",
        "Honest: synthetic rows only help to fit, none is tested on.",
        tested(on_balanced, X[test], y[test]),
    )
    yield Protocol(
        "the same → PrivateTest, oversampled too",
        "Wrong: most test rows of a rare class are mixtures of a few real ones, so that the "
        "figure describes a test set that no camera took.",
        tested(on_balanced, *oversample(X[test], y[test])),
    )
    X_all, y_all = oversample(np.asarray(X), y)
    fit_on, test_on = stratified_parts(
        y_all, len(y_all) - math.ceil(len(y_all) / 5), random_state=seed
    )
    yield Protocol(
        "SMOTE on everything → a random fifth of it",
        "Wrong: a test row is a mixture of rows that the forest was fitted on, or one of those "
        "that such a row was mixed from, so that it has all but seen the answer.",
        tested(fit(X_all[fit_on], y_all[fit_on]), X_all[test_on], y_all[test_on]),
    )
