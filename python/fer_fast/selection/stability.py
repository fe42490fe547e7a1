"""How alike the subsets are that searches on other rows choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_fast.selection.rows import split_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fer_fast.selection.problem import Found, Problem
    from fer_fast.selection.watch import Watch


def stability(supports: Sequence[NDArray[np.bool_]]) -> float:
    r"""Return how alike some subsets of features are, corrected for chance.

    .. math:: 1 - \frac{\frac{1}{d} \sum_f \frac{M}{M-1} p_f (1 - p_f)}
        {\frac{\bar k}{d} (1 - \frac{\bar k}{d})}

    for M subsets of d features, of :math:`\bar k` features in the mean, a share :math:`p_f` of
    which has feature f: equation 4 of [1]_.

    Parameters
    ----------
    supports : sequence of ndarray of shape (n_features,), bool

    Returns
    -------
    float
        1 for equal subsets, 0 in the mean for random ones; NaN for fewer than two subsets, or where
        all are empty or whole.

    References
    ----------
    .. [1] S. Nogueira, K. Sechidis and G. Brown, "On the Stability of Feature Selection
       Algorithms", Journal of Machine Learning Research 18(174), 2018.
    """
    n_subsets = len(supports)
    if n_subsets < 2:
        return float("nan")
    share = np.mean(supports, axis=0)
    size = share.mean()
    if not 0 < size < 1:
        return float("nan")
    variance = n_subsets / (n_subsets - 1) * (share * (1 - share)).mean()
    return float(1 - variance / (size * (1 - size)))


def frequency(subsets: Sequence[NDArray[np.int64]], n_features: int) -> NDArray[np.float64]:
    """Return the share of the subsets that each feature is in; NaN if there is no subset."""
    if not subsets:
        return np.full(n_features, np.nan)
    counts = np.bincount(np.concatenate(subsets), minlength=n_features)
    return counts / len(subsets)


def search_halves(
    problem: Problem,
    rows: NDArray[np.int64],
    n_searches: int,
    random_state: np.random.RandomState,
    make_watch: Callable[[], Watch],
) -> tuple[list[Found], BaseException | None]:
    """Search on random halves of the rows, two after two of them that are each other's rest.

    Parameters
    ----------
    problem : Problem
    rows : ndarray of int64
    n_searches : int
    random_state : RandomState
    make_watch : callable
        Makes the callback of a colony.

    Returns
    -------
    results : list of Found
    error : BaseException or None
        What ended the searches early; KeyboardInterrupt after Ctrl-C.
    """
    results: list[Found] = []
    halves: list[NDArray[np.int64]] = []
    try:
        while len(results) < n_searches:
            if not halves:
                halves = list(
                    split_rows(
                        0.5,
                        problem.y,
                        rows,
                        problem.groups,
                        is_classification=problem.is_classification,
                        seed=random_state.randint(2**31 - 1),
                    )
                )
            found = problem.search(halves.pop(0), random_state, make_watch())
            if found.stop_reason == "interrupted":
                return results, KeyboardInterrupt()
            results.append(found)
    except (Exception, KeyboardInterrupt) as error:
        return results, error
    return results, None
