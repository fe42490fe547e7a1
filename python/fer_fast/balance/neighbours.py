"""Exact nearest neighbours of the rows of a wide matrix among themselves, mostly in float32."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 256
"""Rows whose distances to all others are measured at a time."""

_GRAM_BYTES = 2**28
"""What the products of all pairs of rows may take, to be made at once."""


class ScreenedNeighbors(NearestNeighbors):  # type: ignore[misc]
    """Nearest neighbours of the fitted rows, screened in float32 and settled in float64.

    scikit-learn multiplies float32 rows in float64. Here float32 products rule out every row that
    is farther than the k-th by more than rounding can explain, and the few left are measured in
    float64, so the neighbours are the same up to ties: of rows equally far the first is taken.

    A computed dot product of `d` terms is off by at most ``d u / (1 - d u) |x| |y|`` with
    ``u = 2**-24``, in whatever order it is summed [1]_.

    References
    ----------
    .. [1] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002,
       section 3.1.
    """

    def kneighbors(
        self,
        X: NDArray[np.float32] | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Return the neighbours of `X`; screened if `X` is what was fitted, without distances."""
        rows = self._fit_X
        if X is None or return_distance or not _is_screenable(rows) or not np.array_equal(X, rows):
            return super().kneighbors(X, n_neighbors, return_distance)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
        found = np.empty((len(rows), k), dtype=np.intp)
        # None is all cores, as in scikit-learn's own search.
        n_jobs = effective_n_jobs(-1 if self.n_jobs is None else self.n_jobs)
        gram = None
        if rows.itemsize * len(rows) ** 2 <= _GRAM_BYTES:
            with threadpool_limits(n_jobs, "blas"):
                # Half the work: BLAS knows that they are symmetric.
                gram = rows @ rows.T

        def settle(start: int) -> None:
            block = slice(start, start + BLOCK)
            products = rows[block] @ rows.T if gram is None else gram[block]
            found[block] = _neighbors_of(rows, squares, block, k, products)

        # One thread a block: the products then overlap with the rest of the work.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(settle, range(0, len(rows), BLOCK)))
        return found


def _is_screenable(rows: NDArray[Any]) -> bool:
    # Beyond, squares leave float32's range, and a sum of so many terms its precision.
    return rows.dtype == np.float32 and rows.shape[1] < 2**20 and np.abs(rows).max() < 2.0**40


def _neighbors_of(
    rows: NDArray[np.float32],
    squares: NDArray[np.float64],
    block: slice,
    k: int,
    products: NDArray[np.float32],
) -> NDArray[np.intp]:
    """Return the neighbours of the block's rows; `products`, of theirs with all, is used up."""
    # |x - y|^2 without |x|^2, which changes no order.
    distances = products
    distances *= np.float32(-2)
    distances += squares.astype(np.float32)
    n_terms = rows.shape[1] + 4
    unit = 2.0**-24
    norms = np.sqrt(squares)
    slack = 4 * n_terms * unit / (1 - n_terms * unit) * (norms[block] + norms.max()) * norms.max()
    kth = np.partition(distances, k - 1, axis=1)[:, k - 1]
    near = distances <= (kth + 2 * slack)[:, None]
    found = np.empty((len(near), k), dtype=np.intp)
    for row, (candidates, x) in enumerate(zip(near, rows[block], strict=True)):
        left = np.flatnonzero(candidates)
        gaps = np.subtract(rows[left], x, dtype=np.float64)
        exact = np.einsum("ij,ij->i", gaps, gaps)
        found[row] = left[np.argsort(exact, kind="stable")[:k]]
    return found
