"""A run's folder: the only place that knows the names of a run's files."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import OutputError
from fer_fast.progress import SILENT, Reporter
from fer_fast.runs.metrics import metrics_document
from fer_fast.runs.model_file import save_model
from fer_fast.runs.result import RunResult
from fer_fast.settings import PATH_ERRORS, config_text
from fer_fast.storage.files import atomic_write, make_dir

_ID_FORMAT = "%Y%m%dT%H%M%S"


def new_run_id() -> str:
    """Return a name that no other run has; those of later runs sort after it.

    It is the second in UTC at which the run began, and 32 random bits.
    """
    return f"{time.strftime(_ID_FORMAT, time.gmtime())}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class RunFolder:
    """The files that a run leaves behind; each is written whole, or not at all.

    Every file names its run. The files of two runs never lie side by side: before a run writes its
    first file, those of an earlier one are moved into a folder ``previous-ID`` below, ID being the
    earlier run's, or where its files name none, the second at which they were written.

    Attributes
    ----------
    path : Path
    reporter : Reporter
    run_id : str
        Stands in ``metrics.json`` and ``selection.json`` under this name, in a comment at the head
        of ``config.toml``, and in the metadata of ``model.onnx`` as ``fer_fast.run_id``.
    """

    path: Path
    reporter: Reporter = SILENT
    run_id: str = field(default_factory=new_run_id)

    FILES = ("metrics.json", "config.toml", "selection.json", "model.onnx")

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
    def model(self) -> Path:
        """The whole trained system in one file."""
        return self.path / "model.onnx"

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
                f"cannot write into --out {self.path} ({error.strerror})",
                hint="choose another folder",
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

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._set_aside_earlier()
        document = {
            "format": "fer-fast selection",
            "version": 1,
            "run_id": self.run_id,
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
        # Once more, for there may have been no room when the search ended.
        self.save_selection(result.classifier.subset, result.classifier.n_features)
        document = {"run_id": self.run_id} | metrics_document(result)
        _write(self.metrics, json.dumps(document, indent=2, allow_nan=False) + "\n")
        _write(self.config, f"# fer-fast run {self.run_id}\n\n{config_text(result.settings)}")
        save_model(self.model, result, self.run_id)

    def _set_aside_earlier(self) -> None:
        """Move the files of another run into a folder of their own."""
        files = [path for name in self.FILES if (path := self.path / name).exists()]
        if not files or (earlier := self._owner(files)) == self.run_id:
            return
        aside = self.path / f"previous-{earlier}"
        while aside.exists():
            aside = aside.with_name(f"{aside.name}-again")
        make_dir(aside)
        try:
            for path in files:
                path.rename(aside / path.name)
        except OSError as error:
            raise OutputError(
                f"cannot move an earlier run's files into {aside} ({error.strerror})",
                hint="choose another folder",
            ) from error
        self.reporter.note(f"the files of an earlier run are in {aside} now")

    def _owner(self, files: list[Path]) -> str:
        """Return whose the files are: what one of them says, or when they were written."""
        for path in (self.selection, self.metrics):
            try:
                document: Any = json.loads(path.read_text(encoding="utf-8"))
                return str(document["run_id"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
        written = max(path.stat().st_mtime for path in files)
        return time.strftime(_ID_FORMAT, time.gmtime(written))


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=PATH_ERRORS)
