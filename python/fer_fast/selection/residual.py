"""What the colony's forests leave unexplained, against which the features of the next ones earn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Subset = NDArray[np.int64]
Predict = Callable[[Subset], NDArray[np.float64]]


class Residual:
    """Class indicators minus the mean probabilities of the forests that were credited last.

    It is the negative gradient of the mean forest's Brier score: what is explained already earns
    nothing, so that a copy of a strong feature earns little. Before any forest was credited, it is
    the indicators themselves.

    It is a pure function of the credited subsets. Probabilities that were kept are used, others
    predicted again: a search that goes on in another process comes to the same residual.

    Parameters
    ----------
    indicators : ndarray of shape (n_rows, n_classes), float64
        1 where a row is of a class, else 0.
    predict : callable
        Takes a subset and returns the class probabilities of its forest, NaN for a row that has
        none.
    """

    def __init__(self, indicators: NDArray[np.float64], predict: Predict) -> None:
        self._indicators = indicators
        self._predict = predict
        self._values = indicators
        self._credited: list[bytes] = []
        self._kept: dict[bytes, NDArray[np.float64]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # They are predicted again where they are missed.
        return {**vars(self), "_kept": {}}

    @property
    def values(self) -> NDArray[np.float64]:
        """The residual, of shape (n_rows, n_classes)."""
        return self._values

    def keep(self, subset: Subset, probabilities: NDArray[np.float64]) -> None:
        """Keep the probabilities of a subset's forest until the next `renew`."""
        self._kept[subset.tobytes()] = probabilities

    def renew(self, credited: Sequence[Subset]) -> None:
        """Make it the residual of the forests of the `credited` subsets."""
        keys = [subset.tobytes() for subset in credited]
        if keys == self._credited:
            # A run that goes on in the middle of an iteration: what was kept is needed later.
            return
        self._values = self._indicators - self._mean(credited) if credited else self._indicators
        self._credited = keys
        self._kept.clear()

    def _mean(self, credited: Sequence[Subset]) -> NDArray[np.float64]:
        """Return the mean probabilities; where no forest has any, the indicators."""
        total = np.zeros_like(self._indicators)
        votes = np.zeros((len(total), 1))
        for subset in credited:
            probabilities = self._kept.get(subset.tobytes())
            if probabilities is None:
                probabilities = self._predict(subset)
            is_predicted = ~np.isnan(probabilities[:, :1])
            total += np.where(is_predicted, probabilities, 0.0)
            votes += is_predicted
        # A row of which nobody says anything has nothing to explain.
        return np.where(votes > 0, total / np.maximum(votes, 1), self._indicators)
