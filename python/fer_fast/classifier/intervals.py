"""How far scores on a sample of rows may be from those on all such rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Interval = tuple[float, float]

_QUANTILE = 1.959963984540054
"""Of the normal distribution, for 95 % in the middle."""

_DRAWS = 2000


def proportion_interval(hits: int, rows: int) -> Interval:
    """Return the 95 % interval of a proportion by Wilson's score method.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of
    the American Statistical Association 22 (1927) 209-212. Without rows it is (0, 1).
    """
    if rows == 0:
        return 0.0, 1.0
    share, square = hits / rows, _QUANTILE**2 / rows
    middle = (share + square / 2) / (1 + square)
    half = _QUANTILE * math.sqrt(share * (1 - share) / rows + square / (4 * rows)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def f1_macro_interval(confusion: ArrayLike, *, random_state: int = 0) -> Interval:
    """Return the 95 % interval of macro-F1 by the percentile bootstrap over rows.

    Parameters
    ----------
    confusion : array of shape (n_classes, n_classes), integer
        Row: true class; column: predicted class. Drawing rows anew is drawing these counts anew.
    random_state : int, default=0
    """
    counts = np.asarray(confusion)
    rows = int(counts.sum())
    if rows == 0:
        return 0.0, 1.0
    drawn = np.random.default_rng(random_state).multinomial(
        rows, counts.ravel() / rows, size=_DRAWS
    )
    scores = f1_macro(drawn.reshape(_DRAWS, *counts.shape))
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)


def f1_macro(confusions: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return the macro-F1 of each of any number of confusion matrices, shape (…, n, n).

    The mean is over the classes that occur as true or as predicted ones, as scikit-learn has it.
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    occurrences = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    scores = 2 * hits / np.maximum(occurrences, 1)
    means: NDArray[np.floating] = scores.sum(axis=-1) / np.maximum((occurrences > 0).sum(-1), 1)
    return means
