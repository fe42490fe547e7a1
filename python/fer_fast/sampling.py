"""Drawing rows class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from fer_fast.errors import ParameterError


def stratified_parts(
    y: NDArray[Any], n_first: int, *, random_state: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Part rows by chance, with each class' share in both parts.

    A class of a single row, which scikit-learn's `train_test_split` refuses, is in the first part.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Class labels.
    n_first : int
        Rows of the first part.
    random_state : int

    Returns
    -------
    first : ndarray of shape (n_first,), intp
    second : ndarray of shape (n_rows - n_first,), intp

    Raises
    ------
    ParameterError
        If a part has no room for a row of each class.
    """
    _, class_of, sizes = np.unique(y, return_inverse=True, return_counts=True)
    is_lone = sizes[class_of] == 1
    lone, others = np.flatnonzero(is_lone), np.flatnonzero(~is_lone)
    n_divided = len(sizes) - len(lone)
    least, most = len(sizes), len(y) - n_divided
    if not n_divided or not least <= n_first <= most:
        raise ParameterError(
            f"{n_first:,} of {len(y):,} rows cannot be drawn class by class: draw {least:,} to "
            f"{most:,}, so that both parts have room for each class, or all"
        )
    first, second = train_test_split(
        others, train_size=n_first - len(lone), stratify=y[others], random_state=random_state
    )
    return np.concatenate([lone, first]), second
