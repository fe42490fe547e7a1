"""What rows that no search saw say of a subset, and of the simple answers of its size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import t as student
from sklearn.model_selection import KFold, StratifiedKFold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Scorer = Callable[[Rows], float]

_MOST_BLOCKS, _LEAST_BLOCKS = 10, 5
_ROWS_PER_BLOCK = 8
_DOUBT = 0.05
"""Chance, over all that is compared, of calling better what is not."""


@dataclass
class HeldOut:
    """Scores on rows that neither a heuristic nor a search saw.

    Attributes
    ----------
    score : float
        The found subset's.
    baselines : dict of str to float
        Those of the simple answers.
    better : dict of str to float
        Those of them that are better beyond noise.
    failures : list of str
        A sentence on each that could not be chosen or scored.
    """

    score: float
    baselines: dict[str, float] = field(default_factory=dict)
    better: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def in_history(self, n_iterations: int) -> dict[str, NDArray[Any]]:
        """Return it as columns of a history, of whose last iteration alone it is known."""
        scores = {"score": self.score, **self.baselines}
        columns: dict[str, NDArray[Any]] = {
            f"holdout_{name}": np.append(np.full(n_iterations - 1, np.nan), score)
            for name, score in scores.items()
        }
        is_last = np.arange(n_iterations) == n_iterations - 1
        return columns | {"simpler_is_better": is_last & bool(self.better)}


def score_held_out(
    make_scorer: Callable[[Rows], Scorer],
    columns: Rows,
    answers: dict[str, Callable[[], Rows]],
    held: Rows,
    y: NDArray[Any] | None,
) -> HeldOut:
    """Score a subset and the simple answers beside it.

    Which answers are better is told by blocks of the rows, each scored by itself: in pairs, by
    Student's t, with Bonferroni's correction.

    Parameters
    ----------
    make_scorer : callable
        Takes columns, fits on them, returns what scores some of the `held` rows.
    columns : ndarray of int64
        The subset.
    answers : dict of str to callable
        Each returns columns.
    held : ndarray of int64
    y : ndarray or None
        Class labels of all rows, by which blocks are drawn; None where there are no classes.

    Raises
    ------
    Exception
        Whatever fitting or scoring the subset raises.
    """
    of_found = make_scorer(columns)
    report = HeldOut(of_found(held))
    blocks = _blocks(held, y)
    for name, choose in answers.items():
        try:
            scorer = make_scorer(choose())
            report.baselines[name] = scorer(held)
            gains = [scorer(block) - of_found(block) for block in blocks]
        except Exception as error:
            report.failures.append(f"{name} could not be held against the choice: {error}")
            continue
        if is_positive(gains, doubt=_DOUBT / len(answers)):
            report.better[name] = report.baselines[name]
    return report


def _blocks(held: Rows, y: NDArray[Any] | None) -> list[Rows]:
    """Part rows into blocks, each with all classes; none where there are too few."""
    n_blocks = min(_MOST_BLOCKS, len(held) // _ROWS_PER_BLOCK)
    splitter: Any = KFold(max(n_blocks, 2), shuffle=True, random_state=0)
    if y is not None:
        n_blocks = min(n_blocks, int(np.unique(y[held], return_counts=True)[1].min()))
        splitter = StratifiedKFold(max(n_blocks, 2), shuffle=True, random_state=0)
    if n_blocks < _LEAST_BLOCKS:
        return []
    labels = held if y is None else y[held]
    return [held[block] for _, block in splitter.split(held, labels)]


def is_positive(gains: list[float], *, doubt: float) -> bool:
    """Return whether the mean of some gains is above 0 beyond their noise (Student's t)."""
    n = len(gains)
    if n < 2:
        return False
    error = np.std(gains, ddof=1) / np.sqrt(n)
    return bool(np.mean(gains) > student.ppf(1 - doubt, n - 1) * error)
