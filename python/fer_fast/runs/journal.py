"""What makes a journal that of one run: ``evaluations.jsonl``'s header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.progress import SILENT, Reporter
from fer_fast.selection.journal import Journal, array_digest, computed_by
from fer_fast.settings import Settings

_PACKAGES = ("fer-fast", "numpy", "scipy", "scikit-learn", "imbalanced-learn")
"""Those whose other release may balance, score or search otherwise.

What ONNX Runtime does is in the digest of the features.
"""


def run_journal(
    path: Path, run_id: str, settings: Settings, reporter: Reporter = SILENT
) -> Journal:
    """Return the journal of a run's search, which need not have begun.

    Parameters
    ----------
    path : Path
    run_id : str
    settings : Settings
    reporter : Reporter

    Raises
    ------
    DataError
        If the file is there and of another run, of other settings, or of versions of packages that
        may compute otherwise.
    OutputError
        If it is there and cannot be read.
    """
    header: dict[str, Any] = {
        "run_id": run_id,
        "settings": settings.deciding(),
        **computed_by(_PACKAGES),
    }
    return Journal(path, header, elsewhere="choose another --out", reporter=reporter)


def evidence(
    data: str, X: NDArray[np.float32], desirability: NDArray[np.float64]
) -> dict[str, str]:
    """Return the digests of what a search is given.

    Parameters
    ----------
    data : str
        The data set's digest.
    X : ndarray of shape (n_faces, n_features), float32
    desirability : ndarray of shape (n_features,), float64
    """
    return {"data": data, "features": array_digest(X), "desirability": array_digest(desirability)}
