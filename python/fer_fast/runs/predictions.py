"""What the final forests say of each test face: the file, and what it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.storage.files import atomic_write
from fer_fast.storage.npz import DAMAGE, read_arrays

_MOST_BYTES = 1 << 30
"""What a file of predictions may unpack to: no data set of faces comes near."""


@dataclass(frozen=True)
class TestPredictions:
    """What the final forests say of the test faces, a row each.

    Attributes
    ----------
    rows : ndarray of shape (n_test,), int64
        Positions in the data set.
    y : ndarray of shape (n_test,), int64
        True classes.
    shared : ndarray of shape (n_test,), bool
        Whose exact image stands in another split too.
    predicted : ndarray of shape (n_test,), int64
        Of the forest on the colony's features.
    probabilities : ndarray of shape (n_test, n_classes), float32
        Of the same forest, calibrated.
    baselines : dict of str to ndarray of shape (n_test,), int64
        Predictions of the forests on other features.
    """

    # Its name is no test's.
    __test__ = False

    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    shared: NDArray[np.bool_]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    baselines: dict[str, NDArray[np.int64]]


def save_predictions(path: Path, predictions: TestPredictions, run_id: str) -> None:
    """Write predictions as npz.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    arrays = {
        "run_id": np.array(run_id),
        "rows": predictions.rows,
        "y": predictions.y.astype(np.uint16),
        "shared": predictions.shared,
        "predicted": predictions.predicted.astype(np.uint16),
        "probabilities": predictions.probabilities,
        **{
            f"baseline_{name}": one.astype(np.uint16) for name, one in predictions.baselines.items()
        },
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_predictions(path: Path) -> TestPredictions:
    """Read predictions that `save_predictions` wrote.

    Raises
    ------
    DataError
        If the file cannot be read, or is none of predictions.
    """
    try:
        read = read_arrays(path, lambda _: True, _MOST_BYTES)
        found = TestPredictions(
            rows=read["rows"].astype(np.int64),
            y=read["y"].astype(np.int64),
            shared=read["shared"].astype(bool),
            predicted=read["predicted"].astype(np.int64),
            probabilities=read["probabilities"].astype(np.float32),
            baselines={
                name.removeprefix("baseline_"): one.astype(np.int64)
                for name, one in read.items()
                if name.startswith("baseline_")
            },
        )
        _check(found)
    except (OSError, KeyError, *DAMAGE) as e:
        raise DataError(
            f"cannot read the predictions {path} ({e})",
            hint="name the folder of a run, or repeat the run",
        ) from e
    return found


def _check(found: TestPredictions) -> None:
    """Raise ValueError where parts do not belong together."""
    flat = (found.y, found.shared, found.predicted, *found.baselines.values())
    if any(one.shape != found.rows.shape or one.ndim != 1 for one in flat):
        raise ValueError("its rows differ in number")
    if found.probabilities.ndim != 2 or len(found.probabilities) != len(found.rows):
        raise ValueError("its probabilities are of other rows")
    classes = (found.y, found.predicted, *found.baselines.values())
    if any(one.min(initial=0) < 0 for one in (found.rows, *classes)):
        raise ValueError("a row or a class is negative")
    if any(one.max(initial=-1) >= found.probabilities.shape[1] for one in classes):
        raise ValueError("it names a class without probabilities")
    if not np.isfinite(found.probabilities).all():
        raise ValueError("a probability is no number")
