"""A selector's checkpoint: the journal of one fit, and what tells another fit from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import hash as object_digest
from scipy.sparse import issparse

from fer_fast.errors import DataError, OutputError, ParameterError
from fer_fast.progress import SILENT, WarningLog
from fer_fast.selection.journal import FORMAT, Journal, JournalledFitness, computed_by
from fer_fast.selection.tables import is_frame, take_columns
from fer_fast.storage.files import locked

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

    from fer_fast.selection.cross_validation import Fold

_PACKAGES = ("fer-fast", "numpy", "scipy", "scikit-learn")
"""Those whose other release may split, score or search otherwise."""

_DECIDES_NOTHING = {"n_jobs", "executor", "verbose", "callbacks", "checkpoint"}
_START = b'{"format": "' + FORMAT.encode()
"""How every journal begins."""


class Checkpoint:
    """The journal of a fit, held by this process alone from ``with`` to its end.

    Parameters
    ----------
    path : str or path-like
        The file, which need not be there.
    parameters : mapping
        Those of the selector, and of what is within it.

    Raises
    ------
    DataError
        If the file is of another fit, or of something else altogether.
    OutputError
        If it cannot be read or written.
    ParameterError
        If another fit uses it, or if no fit could ever be told to be the same.
    """

    def __init__(self, path: str | os.PathLike[str], parameters: Mapping[str, Any]) -> None:
        self._path = Path(path)
        if not isinstance(parameters["random_state"], Integral):
            raise ParameterError(
                "checkpoint goes without a random_state that is an int",
                hint="give one: with another seed, a fit that is resumed would be another",
            )
        self._is_verbose = bool(parameters["verbose"])
        self._header = {"settings": _deciding(parameters), **computed_by(_PACKAGES)}
        self._log = WarningLog(SILENT)
        self._held = ExitStack()
        self._n_searches = 0

    @property
    def warnings(self) -> list[str]:
        """What went wrong with the file, while the search went on."""
        return self._log.warnings

    def __enter__(self) -> Checkpoint:
        _make_file(self._path)
        with ExitStack() as held:
            if not held.enter_context(locked(self._path)):
                raise ParameterError(
                    f"another fit is using the checkpoint {self._path}",
                    hint="wait until it has ended, or give another",
                )
            _refuse_foreign(self._path)
            self._journal = Journal(
                self._path, self._header, elsewhere="give another checkpoint", reporter=self._log
            )
            held.callback(self._journal.close)
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held.close()

    def begin(
        self,
        X: Any,
        y: NDArray[Any],
        metadata: Any,
        rows: NDArray[np.int64],
        folds: list[Fold],
        desirability: NDArray[np.float64],
    ) -> None:
        """Hear what the next search is given; what the first is given must be what it was.

        Parameters
        ----------
        X : {ndarray, sparse matrix, data frame} of shape (n_rows, n_columns)
        y : ndarray of shape (n_rows,)
        metadata : mapping
            More of what the estimator, the splitter and the scorer are given.
        rows : ndarray of int64
            Those of the search.
        folds : list of (ndarray, ndarray)
        desirability : ndarray of shape (n_columns,), float64
        """
        self._n_searches += 1
        if self._n_searches > 1:
            return
        given = {
            "data": _table_digest(X),
            "labels": object_digest(y, "sha1"),
            "metadata": _digest_or_name(metadata),
            "rows": object_digest(rows, "sha1"),
            "folds": object_digest(folds, "sha1"),
            "desirability": object_digest(desirability, "sha1"),
        }
        self._journal.begin(given)
        if self._is_verbose and len(self._journal):
            print(
                f"[AntColonySelector] resuming: {len(self._journal):,} subsets judged are known "
                f"from {self._path}"
            )

    def journalled(self, judge: Any) -> JournalledFitness:
        """Return a judge that asks the journal first, for the search that has begun.

        A subset that the estimator failed on is tried again in each fit, which so can tell of it.
        """
        has_failed = getattr(judge, "has_failed", None)
        keeps = None if has_failed is None else lambda columns: not has_failed(columns)
        return JournalledFitness(judge, self._journal, search=self._n_searches - 1, keeps=keeps)


def opened_checkpoint(
    path: str | os.PathLike[str] | None, parameters: Mapping[str, Any]
) -> AbstractContextManager[Checkpoint | None]:
    """Return the checkpoint of a fit, which ``with`` opens; one of None where there is no path."""
    return nullcontext() if path is None else Checkpoint(path, parameters)


def require_repeatable(folds: list[Fold], again: list[Fold]) -> None:
    """Refuse a splitter that draws other folds each time, under which no fit can be resumed.

    Raises
    ------
    ParameterError
    """
    if object_digest(folds) != object_digest(again):
        raise ParameterError(
            "checkpoint goes without a cv that splits alike each time",
            hint="give the splitter a random_state that is an int",
        )


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))
    except OSError as error:
        raise OutputError(
            f"cannot write the checkpoint {path} ({error.strerror})", hint="name another file"
        ) from error


def _refuse_foreign(path: Path) -> None:
    """Refuse a file that is no journal, which would be overwritten."""
    with path.open("rb") as file:
        start = file.read(len(_START))
    # The process may have been killed while it wrote the header.
    if not _START.startswith(start):
        raise DataError(
            f"{path} is no checkpoint of a fit", hint="name another file, or remove this one"
        )


def _deciding(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a fit beside its data, by name and as JSON types."""
    return {
        name: _described(value)
        for name, value in sorted(parameters.items())
        if name.rpartition("__")[2] not in _DECIDES_NOTHING
    }


def _described(value: Any) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, list | tuple):
        return [_described(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _described(one) for name, one in value.items()}
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_params"):
        # Its parameters have entries of their own.
        return _described(type(value))
    return _digest_or_name(value)


def _digest_or_name(value: Any) -> str:
    """Return what tells a value from others, its text first where that says anything."""
    text = " ".join(repr(value).split())
    shown = type(value).__name__ if " at 0x" in text or len(text) > 60 else text
    try:
        return f"{shown} ({object_digest(value, 'sha1')[:16]})"
    except Exception:
        # What cannot be pickled is known by its type alone.
        return type(value).__name__


def _table_digest(X: Any) -> str:
    """Return the digest of a table, the same for any layout in memory."""
    if issparse(X):
        plain = X.tocsr().sorted_indices()
        parts: Any = (plain.shape, plain.data, plain.indices, plain.indptr)
    elif is_frame(X):
        parts = [
            (str(name), np.asarray(take_columns(X, np.array([number]))))
            for number, name in enumerate(X.columns)
        ]
    else:
        parts = np.ascontiguousarray(X)
    digest: str = object_digest(parts, "sha1")
    return digest
