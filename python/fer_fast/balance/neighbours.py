"""Exact nearest neighbours of the rows of a wide matrix among themselves, mostly in float32."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 512
"""Rows whose distances to all others are held at a time."""


def nearest_rows(
    rows: NDArray[Any], of: NDArray[np.integer], k: int, *, n_jobs: int
) -> NDArray[np.intp]:
    """Return the `k` nearest of all rows to some of them, each of which is among its own nearest.

    scikit-learn multiplies float32 rows in float64. Here float32 products rule out every row that
    is farther than the k-th by more than rounding can explain, and the few left are measured in
    float64, so the neighbours are the same up to ties: of rows equally far the first is taken.

    A computed dot product of `d` terms is off by at most ``d u / (1 - d u) |x| |y|`` with
    ``u = 2**-24``, in whatever order it is summed [1]_.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        Finite; where they are not float32, or so large or wide that its range or precision does not
        do, scikit-learn's search is used.
    of : ndarray of shape (n_of,), integer
        The rows whose neighbours are wanted.
    k : int
    n_jobs : int
        Threads.

    Returns
    -------
    ndarray of shape (n_of, k), intp
        Row numbers, the nearest first.

    References
    ----------
    .. [1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
       section 3.1.
    """
    found: NDArray[np.intp]
    if not _is_screenable(rows):
        search = NearestNeighbors(n_neighbors=k, n_jobs=n_jobs).fit(rows)
        found = search.kneighbors(rows[of], return_distance=False)
        return found
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    found = np.empty((len(of), k), dtype=np.intp)

    def settle(start: int) -> None:
        block = slice(start, start + BLOCK)
        found[block] = _nearest(rows, squares, of[block], k)

    # One thread a block: the products then overlap with the rest of the work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_jobs) as pool:
        list(pool.map(settle, range(0, len(of), BLOCK)))
    return found


def _is_screenable(rows: NDArray[Any]) -> bool:
    # Beyond, squares leave float32's range, and a sum of so many terms its precision.
    return rows.dtype == np.float32 and rows.shape[1] < 2**20 and np.abs(rows).max() < 2.0**40


def _nearest(
    rows: NDArray[np.float32], squares: NDArray[np.float64], of: NDArray[np.integer], k: int
) -> NDArray[np.intp]:
    queries = rows[of]
    # |x - y|^2 without |x|^2, which changes no order.
    distances = queries @ rows.T
    distances *= np.float32(-2)
    distances += squares.astype(np.float32)
    n_terms = rows.shape[1] + 4
    unit = 2.0**-24
    norms = np.sqrt(squares)
    slack = 4 * n_terms * unit / (1 - n_terms * unit) * (norms[of] + norms.max()) * norms.max()
    kth = np.partition(distances, k - 1, axis=1)[:, k - 1]
    near = distances <= (kth + 2 * slack)[:, None]
    found = np.empty((len(near), k), dtype=np.intp)
    for row, (candidates, x) in enumerate(zip(near, queries, strict=True)):
        left = np.flatnonzero(candidates)
        gaps = np.subtract(rows[left], x, dtype=np.float64)
        exact = np.einsum("ij,ij->i", gaps, gaps)
        found[row] = left[np.argsort(exact, kind="stable")[:k]]
    return found
