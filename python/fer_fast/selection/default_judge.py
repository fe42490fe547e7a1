"""The judge of a selector without an estimator: the native forest, out of bag, with credit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_fast.errors import ParameterError
from fer_fast.selection.fitness import ForestFitness, score_probabilities
from fer_fast.settings import SCORINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DefaultJudge:
    """Scores columns by a forest that sees nothing else, and says what each column earned.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), float32
    y : ndarray of shape (n_rows,)
        Class labels of any kind.
    rows : ndarray of int64
        Those that it grows its forests on, and scores out of bag.
    scoring : str or None
        One of `settings.SCORINGS`; None for the first, brier.
    seed : int
        Of the forests.
    """

    deposit: ClassVar[Literal["credit"]] = "credit"
    """What its colony deposits."""

    def __init__(
        self, X: NDArray[Any], y: NDArray[Any], rows: NDArray[Any], *, scoring: Any, seed: int
    ) -> None:
        if scoring not in (None, *SCORINGS):
            raise ParameterError(
                f"scoring is {scoring!r}: without an estimator it must be one of "
                f"{', '.join(SCORINGS)}"
            )
        self._X, self._y = X, y
        self._options: dict[str, Any] = {
            "scoring": scoring or SCORINGS[0],
            "random_state": seed % 2**32,
        }
        if len(rows) < len(y):
            X, y = X[rows], y[rows]
        self._fitness = ForestFitness(X, y, credit="residual", **self._options)

    def __call__(self, columns: NDArray[Any]) -> float | tuple[float, NDArray[Any]]:
        """Score a subset, and credit its columns."""
        return self._fitness(columns)

    def next_iteration(self, credited: Sequence[NDArray[Any]]) -> None:
        """Hear which subsets the colony has credited."""
        self._fitness.next_iteration(credited)

    @property
    def state(self) -> Any:
        """As `ForestFitness.state`."""
        return self._fitness.state

    def evaluate(self, columns: NDArray[Any], state: Any) -> Any:
        """As `ForestFitness.evaluate`."""
        return self._fitness.evaluate(columns, state)

    def take(self, columns: NDArray[Any], answer: Any) -> float | tuple[float, NDArray[Any]]:
        """As `ForestFitness.take`."""
        return self._fitness.take(columns, answer)

    def __getstate__(self) -> dict[str, Any]:
        # A worker judges; it scores no rows that were held out.
        return {"_fitness": self._fitness}

    def scorer(
        self, columns: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
    ) -> Callable[[NDArray[Any]], float]:
        """Grow a forest on `train`, and return what scores it on some of the rows of `test`."""
        X, y = self._X, self._y
        fitness = ForestFitness(X[train], y[train], X[test], y[test], **self._options)
        probabilities = np.zeros((len(y), len(fitness.classes_)))
        probabilities[test] = fitness.predict_proba(columns)

        def score(rows: NDArray[Any]) -> float:
            said = probabilities[rows]
            return score_probabilities(y[rows], said, fitness.classes_, fitness.scoring)

        return score

    def failures(self, *, has_best: bool, has_succeeded: bool = False) -> None:
        """Return nothing: a forest can be grown on any columns."""
