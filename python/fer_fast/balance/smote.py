"""SMOTE on the training features, announced and made safe for tiny classes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from joblib import effective_n_jobs

from fer_fast.balance.neighbours import nearest_rows
from fer_fast.errors import DataError, ParameterError
from fer_fast.progress import SILENT, Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Label = TypeVar("Label", bound=np.generic)

_BLOCK = 256
"""Synthetic rows that a thread mixes at a time."""


def balance_classes(
    X: NDArray[np.float32],
    y: NDArray[Label],
    method: Literal["smote", "none"] = "smote",
    *,
    k_neighbors: int = 5,
    random_state: int = 0,
    n_jobs: int | None = None,
    class_names: Sequence[str] | None = None,
    reporter: Reporter = SILENT,
) -> tuple[NDArray[np.float32], NDArray[Label]]:
    """Oversample every class up to the size of the largest.

    Only training rows belong here: synthetic rows made from validation or test rows would make any
    score on them meaningless.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
    y : ndarray of shape (n_samples,)
        Class labels.
    method : {"smote", "none"}
        "smote" is the Synthetic Minority Over-sampling Technique [1]_, which draws what
        imbalanced-learn draws from the same seed: the result is the same, up to which of several
        equally near rows are neighbours. "none" returns `X` and `y` themselves.
    k_neighbors : int
        Neighbours of its own class that a row is mixed with. Where a class holds fewer rows than
        ``k_neighbors + 1``, the whole run uses as many as it has, with a warning. A class of a
        single row is left alone, with a warning.
    random_state : int
        Seed of the choice of rows, neighbours and mixing weights.
    n_jobs : int or None
        Threads that find neighbours and mix rows; None or -1: one a core.
    class_names : sequence of str or None
        What the labels 0, 1, … are called in what is reported.
    reporter : Reporter
        Told the class counts before and after.

    Returns
    -------
    X : ndarray of shape (n_balanced, n_features), float32
        The given rows first, in their order, then the synthetic ones.
    y : ndarray of shape (n_balanced,)

    Raises
    ------
    ParameterError
        If `method` is unknown or `k_neighbors` is below 1.
    DataError
        If `X` and `y` do not match, or `X` holds a value that is not finite.

    References
    ----------
    .. [1] N. V. Chawla, K. W. Bowyer, L. O. Hall, W. P. Kegelmeyer, "SMOTE: Synthetic Minority
       Over-sampling Technique", Journal of Artificial Intelligence Research 16, 321-357, 2002.
    """
    if method not in ("smote", "none"):
        raise ParameterError(f'unknown balancing method {method!r}: use "smote" or "none"')
    if k_neighbors < 1:
        raise ParameterError(f"k_neighbors is {k_neighbors}: use at least 1")
    if X.ndim != 2 or len(X) != len(y):
        raise DataError(f"X of shape {X.shape} does not match {len(y)} labels: one row a label")

    def name(label: Any) -> str:
        return str(label) if class_names is None else class_names[int(label)]

    def counts(y: NDArray[Any]) -> str:
        classes, sizes = np.unique(y, return_counts=True)
        return ", ".join(
            f"{name(label)}: {size:,}" for label, size in zip(classes, sizes, strict=True)
        )

    if method == "none":
        reporter.note(f"classes not balanced: {counts(y)}")
        return X, y
    if not np.isfinite(X).all():
        raise DataError("X holds NaN or infinite values: SMOTE needs finite features")

    classes, sizes = np.unique(y, return_counts=True)
    for lone in classes[sizes == 1]:
        reporter.warn(f"class {name(lone)} has a single training row: SMOTE leaves it alone")
    growing = (sizes > 1) & (sizes < sizes.max())
    if not growing.any():
        reporter.note(f"classes need no balancing: {counts(y)}")
        return X, y
    most = int(sizes[growing].min()) - 1
    if most < k_neighbors:
        reporter.warn(
            f"the smallest class has {most + 1} training rows: "
            f"SMOTE uses {most} neighbours instead of {k_neighbors}"
        )
    X_balanced, y_balanced = _oversample(
        X,
        y,
        dict(zip(classes[growing], sizes.max() - sizes[growing], strict=True)),
        k_neighbors=min(most, k_neighbors),
        random_state=random_state,
        n_jobs=effective_n_jobs(-1 if n_jobs is None else n_jobs),
    )
    reporter.note(f"classes balanced by SMOTE: {counts(y)} became {counts(y_balanced)}")
    return X_balanced, y_balanced


def _oversample(
    X: NDArray[np.float32],
    y: NDArray[Label],
    n_synthetic: Mapping[Label, int],
    *,
    k_neighbors: int,
    random_state: int,
    n_jobs: int,
) -> tuple[NDArray[np.float32], NDArray[Label]]:
    """Append so many synthetic rows of each class."""
    n_real, n_all = len(X), len(X) + sum(n_synthetic.values())
    X_balanced, y_balanced = np.empty((n_all, X.shape[1]), X.dtype), np.empty(n_all, y.dtype)
    X_balanced[:n_real], y_balanced[:n_real] = X, y
    end = n_real
    for label, n in n_synthetic.items():
        start, end = end, end + n
        y_balanced[start:end] = label
        # Every class begins the seed's numbers anew, as in imbalanced-learn.
        rng = np.random.RandomState(random_state)
        _mix(X[y == label], X_balanced[start:end], k_neighbors, rng, n_jobs)
    return X_balanced, y_balanced


def _mix(
    rows: NDArray[np.float32],
    out: NDArray[np.float32],
    k: int,
    rng: np.random.RandomState,
    n_jobs: int,
) -> None:
    """Fill `out` with points on the way from rows drawn by chance to one of their `k` nearest."""
    drawn = rng.randint(0, k * len(rows), len(out))
    shares = rng.uniform(size=(len(out), 1))
    starts, places = np.divmod(drawn, k)
    # Only the neighbours of rows that are drawn are looked for.
    of, position = np.unique(starts, return_inverse=True)
    # The nearest row is the row itself, or one like it.
    nearest = nearest_rows(rows, of, k + 1, n_jobs=n_jobs)[:, 1:]
    ends = nearest[position, places]

    def mix(start: int) -> None:
        block = slice(start, start + _BLOCK)
        here = rows[starts[block]]
        out[block] = here + shares[block] * (rows[ends[block]] - here)

    with ThreadPoolExecutor(n_jobs) as pool:
        list(pool.map(mix, range(0, len(out), _BLOCK)))
