"""The judge of a selector without an estimator: the native forest, out of bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fer_fast.errors import ParameterError
from fer_fast.selection.fitness import ForestFitness

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCORINGS = ("accuracy", "f1_macro")
"""What it can maximise, the default first."""


class DefaultJudge:
    """Scores columns by a forest that sees nothing else.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns), float32
    y : ndarray of shape (n_rows,)
        Class labels of any kind.
    rows : ndarray of int64
        Those that it grows its forests on, and scores out of bag.
    scoring : str or None
        One of `SCORINGS`; None for the first.
    seed : int
        Of every forest.
    """

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
        self._fitness = ForestFitness(X[rows], y[rows], **self._options)

    def __call__(self, columns: NDArray[Any]) -> float:
        """Score a subset."""
        return self._fitness(columns)

    def holdout_score(
        self, columns: NDArray[Any], train: NDArray[Any], test: NDArray[Any]
    ) -> float:
        """Score a forest grown on `train` for the rows of `test`."""
        X, y = self._X, self._y
        return ForestFitness(X[train], y[train], X[test], y[test], **self._options)(columns)

    def failures(self, *, has_best: bool) -> None:
        """Return nothing: a forest can be grown on any columns."""
