"""A run's folder: the only place that knows the names of a run's files."""

from __future__ import annotations

import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError, OutputError, ParameterError
from fer_fast.progress import SILENT, Reporter
from fer_fast.runs.journal import run_journal
from fer_fast.runs.metrics import metrics_text
from fer_fast.runs.model_file import save_model
from fer_fast.runs.predictions import save_predictions
from fer_fast.runs.record import ID_COMMENT, is_run_id, read_json, read_record, run_id_of
from fer_fast.runs.report.page import save_report
from fer_fast.runs.result import RunResult
from fer_fast.selection.journal import Journal
from fer_fast.settings import PATH_ERRORS, Settings, config_text
from fer_fast.storage.files import atomic_write, locked, make_dir, remove_unfinished

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
        Stands under this name in ``metrics.json``, ``selection.json``, ``predictions.npz`` and the
        first line of ``evaluations.jsonl``, in a comment at the head of ``config.toml``, and in the
        metadata of ``model.onnx`` as ``fer_fast.run_id``.
    resumed_by : Path or None
        What to resume instead, where the run is one of several.
    """

    path: Path
    reporter: Reporter = SILENT
    run_id: str = field(default_factory=new_run_id)
    resumed_by: Path | None = None

    RESULTS = ("selection.json", "metrics.json", "predictions.npz", "model.onnx", "report.html")
    """What a run that has ended leaves behind, in the order in which it is written."""

    FILES = ("config.toml", "evaluations.jsonl", *RESULTS)

    @property
    def metrics(self) -> Path:
        """The whole run for programs."""
        return self.path / "metrics.json"

    @property
    def config(self) -> Path:
        """Every setting that decides the result."""
        return self.path / "config.toml"

    @property
    def evaluations(self) -> Path:
        """The journal of the search."""
        return self.path / "evaluations.jsonl"

    @property
    def selection(self) -> Path:
        """The chosen features."""
        return self.path / "selection.json"

    @property
    def model(self) -> Path:
        """The whole trained system in one file."""
        return self.path / "model.onnx"

    @property
    def predictions(self) -> Path:
        """What the final forests say of each test face."""
        return self.path / "predictions.npz"

    @property
    def report(self) -> Path:
        """The whole run for people."""
        return self.path / "report.html"

    @property
    def is_complete(self) -> bool:
        """Whether this run has left all its results behind."""
        try:
            is_ours = run_id_of(self.config) == self.run_id
        except OSError:
            return False
        return is_ours and all((self.path / name).exists() for name in self.RESULTS)

    @classmethod
    def of_earlier_run(cls, path: Path, reporter: Reporter = SILENT) -> RunFolder:
        """Return the folder of a run that was begun there.

        Raises
        ------
        ParameterError
            If none was.
        """
        config = path / "config.toml"
        try:
            run_id = run_id_of(config)
        except OSError as error:
            raise ParameterError(
                f"cannot resume {path}: its config.toml cannot be read ({error.strerror})",
                hint="name the folder that a run was given by --out",
            ) from error
        if run_id is None:
            raise ParameterError(
                f"cannot resume {path}: its config.toml names no run in its first line",
                hint=f"begin a run by --config {config} and another --out",
            )
        return cls(path, reporter, run_id)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep the folder to this process while the block runs; clear what a killed one left.

        Raises
        ------
        ParameterError
            If another process runs there.
        """
        with locked(self.path) as is_ours:
            if not is_ours:
                raise ParameterError(
                    f"another fer-fast is running in {self.path}",
                    hint="wait until it has ended, or choose another --out",
                )
            remove_unfinished(self.path)
            yield

    def begin(self, settings: Settings) -> None:
        """Write the settings, from which the run can be resumed.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._set_aside_earlier()
        write_text(self.config, f"{ID_COMMENT}{self.run_id}\n\n{config_text(settings)}")

    def journal(self, settings: Settings) -> Journal:
        """Return the journal of the run's search, which need not have begun.

        Raises
        ------
        DataError
            If it is that of another search.
        """
        return run_journal(self.evaluations, self.run_id, settings, self.reporter)

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
        write_text(self.selection, json.dumps(document) + "\n")

    def save(self, result: RunResult) -> None:
        """Write all that the run found.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        # Once more, for there may have been no room when the search ended.
        self.save_selection(result.classifier.subset, result.classifier.n_features)
        if not self.config.exists():
            self.begin(result.settings)
        write_text(self.metrics, metrics_text(result, self.run_id))
        save_predictions(self.predictions, result.predictions, self.run_id)
        save_model(self.model, result, self.run_id)
        save_report(self.report, [read_record(self.path)])

    def _set_aside_earlier(self) -> None:
        """Move the files of another run into a folder of their own."""
        files = [path for name in self.FILES if (path := self.path / name).exists()]
        if not files or (earlier := self._owner(files)) == self.run_id:
            return
        aside = self.path / f"previous-{earlier}"
        # One that was killed in here has moved some files already.
        while any((aside / path.name).exists() for path in files):
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
        try:
            return RunFolder.of_earlier_run(self.path).run_id
        except ParameterError:
            # A folder of fer-fast 0.1 may have no such file.
            pass
        for path in (self.selection, self.metrics):
            with suppress(DataError):
                # It becomes part of a path.
                if is_run_id(run_id := str(read_json(path).get("run_id"))):
                    return run_id
        written = max(path.stat().st_mtime for path in files)
        return time.strftime(_ID_FORMAT, time.gmtime(written))


def write_text(path: Path, text: str) -> None:
    """Write a text whole, or not at all; names of files in it need not be text themselves.

    Raises
    ------
    OutputError
    """
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=PATH_ERRORS)
