"""SMOTE on the training features, announced and made safe for tiny classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from fer_fast.balance.neighbours import ScreenedNeighbors
from fer_fast.environment import install_line, missing_modules
from fer_fast.errors import DataError, FerFastError, ParameterError
from fer_fast.progress import SILENT, Reporter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Label = TypeVar("Label", bound=np.generic)


def require_balancing(method: Literal["smote", "none"]) -> None:
    """Raise `FerFastError` if the package is missing that a method of `balance_classes` needs."""
    if method == "smote" and missing_modules(["imblearn"]):
        raise FerFastError(
            "balancing classes by SMOTE needs imbalanced-learn, not installed here: run "
            f"`{install_line('train')}`, or choose --balance none"
        )


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
        "smote" is the Synthetic Minority Over-sampling Technique [1]_ as imbalanced-learn
        implements it, up to which of several equally near rows are neighbours; "none" returns `X`
        and `y` themselves.
    k_neighbors : int
        Neighbours of its own class that a row is mixed with. Where a class holds fewer rows than
        ``k_neighbors + 1``, the whole run uses as many as it has, with a warning. A class of a
        single row is left alone, with a warning.
    random_state : int
        Seed of the choice of rows, neighbours and mixing weights.
    n_jobs : int or None
        Threads of the neighbour search; None or -1: one a core.
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
    FerFastError
        If imbalanced-learn is needed and not installed.

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
    require_balancing(method)
    from imblearn.over_sampling import SMOTE

    smote = SMOTE(
        sampling_strategy=dict.fromkeys(classes[growing].tolist(), int(sizes.max())),
        random_state=random_state,
        # A row is its own nearest neighbour, hence one more.
        k_neighbors=ScreenedNeighbors(n_neighbors=min(most, k_neighbors) + 1, n_jobs=n_jobs),
    )
    X_balanced, y_balanced = smote.fit_resample(X, y)
    reporter.note(f"classes balanced by SMOTE: {counts(y)} became {counts(y_balanced)}")
    return X_balanced, y_balanced
