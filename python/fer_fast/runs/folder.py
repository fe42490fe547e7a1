"""A run's folder: the only place that knows the names of a run's files."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED

import numpy as np
import skops.io
from numpy.typing import NDArray

from fer_fast.classifier.final import SubsetClassifier
from fer_fast.errors import OutputError
from fer_fast.runs.metrics import metrics_document
from fer_fast.runs.result import RunResult
from fer_fast.settings import config_text
from fer_fast.storage.files import atomic_write, make_dir


@dataclass(frozen=True)
class RunFolder:
    """The files that a run leaves behind; each is written whole, or not at all.

    Attributes
    ----------
    path : Path
    """

    path: Path

    FILES = ("metrics.json", "config.toml", "selection.json", "forest.skops")

    @property
    def metrics(self) -> Path:
        """The whole run for programs."""
        return self.path / "metrics.json"

    @property
    def config(self) -> Path:
        """Every setting that decides the result."""
        return self.path / "config.toml"

    @property
    def selection(self) -> Path:
        """The chosen features."""
        return self.path / "selection.json"

    @property
    def forest(self) -> Path:
        """The final forest."""
        return self.path / "forest.skops"

    def create(self) -> None:
        """Make the folder, and see that files can be written there.

        Raises
        ------
        OutputError
        """
        make_dir(self.path)
        try:
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise OutputError(
                f"cannot write into --out {self.path} ({error.strerror}): choose another folder"
            ) from error

    def save_selection(
        self, subset: NDArray[np.int64], n_features: int, *, complete: bool = True
    ) -> None:
        """Write the chosen features as JSON.

        Parameters
        ----------
        subset : ndarray of shape (n_selected,), int64
        n_features : int
            How many features there were to choose from.
        complete : bool, default=True
            False for the best subset of a search that was interrupted.
        """
        document = {
            "format": "fer-fast selection",
            "version": 1,
            "complete": complete,
            "n_features": n_features,
            "indices": subset.tolist(),
        }
        _write(self.selection, json.dumps(document) + "\n")

    def save(self, result: RunResult) -> None:
        """Write all that the run found.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        text = json.dumps(metrics_document(result), indent=2, allow_nan=False)
        _write(self.metrics, text + "\n")
        _write(self.config, config_text(result.settings))
        # Once more, for there may have been no room when the search ended.
        self.save_selection(result.classifier.subset, result.classifier.n_features)
        self._save_forest(result.classifier)

    def _save_forest(self, classifier: SubsetClassifier) -> None:
        """Write the fitted forest with skops, which runs no code when the file is loaded.

        Load it with ``skops.io.load(path, trusted=["sklearn.tree._tree.Tree"])``; its columns are
        the features of the selection, in order.
        """
        with atomic_write(self.forest) as temporary:
            # The default level takes more than twice as long for a tenth less.
            skops.io.dump(classifier.forest, temporary, compression=ZIP_DEFLATED, compresslevel=3)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
