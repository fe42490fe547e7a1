"""Which rows a search sees: holdouts, halves, and what the heuristic may look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

from fer_fast.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_WIDE = 10
"""Columns per row from which chance alone makes many a column look as if it told the classes."""


def split_rows(
    share: float,
    y: NDArray[Any],
    rows: NDArray[np.int64],
    groups: ArrayLike | None,
    *,
    is_classification: bool,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows at random, class by class, or group by group where there are groups.

    Parameters
    ----------
    share : float
        Of the second part, between 0 and 1.
    y, groups : ndarray of shape (n_rows,)
        Of all rows.
    rows : ndarray of int64
        The rows to split.

    Returns
    -------
    first, second : ndarray of int64
        Ascending.

    Raises
    ------
    ValueError
        If the rows, classes or groups are too few; in scikit-learn's words.
    """
    of_groups = None if groups is None else np.asarray(groups)[rows]
    splitter: Any = ShuffleSplit
    if of_groups is not None:
        splitter = GroupShuffleSplit
    elif is_classification:
        splitter = StratifiedShuffleSplit
    splits = splitter(1, test_size=share, random_state=seed).split(rows, y[rows], of_groups)
    first, second = next(iter(splits))
    return np.sort(rows[first]), np.sort(rows[second])


def set_aside(
    holdout: Any,
    y: NDArray[Any],
    groups: ArrayLike | None,
    *,
    is_classification: bool,
    seed: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of a search, and those that it must not see.

    Parameters
    ----------
    holdout : float, array-like of int or bool, or None
        A share, or the rows by index or by mask.

    Raises
    ------
    ParameterError
        If rows are named that do not exist, or none is left.
    """
    everything = np.arange(len(y))
    if holdout is None:
        return everything, everything[:0]
    if np.ndim(holdout) == 0:
        return split_rows(
            float(holdout), y, everything, groups, is_classification=is_classification, seed=seed
        )
    named = np.asarray(holdout)
    is_mask = named.dtype == bool and named.shape == y.shape
    if not is_mask and (named.ndim != 1 or named.dtype.kind not in "iu"):
        raise ParameterError(
            "holdout must be a share, row numbers, or a mask with an entry per row"
        )
    if not is_mask and (len(named) == 0 or named.min() < 0 or named.max() >= len(y)):
        raise ParameterError(f"holdout must name rows from 0 to {len(y) - 1}, and at least one")
    held = np.flatnonzero(named) if is_mask else np.unique(named).astype(np.int64)
    if len(held) == 0 or len(held) == len(y):
        raise ParameterError("holdout sets no row aside, or all of them: name some")
    return np.setdiff1d(everything, held), held


def heuristic_rows(
    rows: NDArray[np.int64], judged: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], bool]:
    """Return the rows by which to measure desirability, and whether some of them judge subsets too.

    Those that judge no subset, if they are at least half: else all, as too few tell little.

    Parameters
    ----------
    rows : ndarray of int64
        Of the search.
    judged : sequence of ndarray of int64
        The rows that each fold scores.
    """
    unjudged = np.setdiff1d(rows, np.concatenate(judged)) if judged else rows[:0]
    if 2 * len(unjudged) >= len(rows):
        return unjudged, False
    return rows, True


def is_wide(n_rows: int, n_columns: int) -> bool:
    """Return whether columns far outnumber rows."""
    return n_columns > _WIDE * n_rows
