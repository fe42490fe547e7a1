"""The journal of a search, from which a run that was killed goes on where it was.

``evaluations.jsonl`` is a header and then a line for each subset that was judged. The colony is
deterministic: told the same scores again, it draws the same subsets, so that the journal stands in
for its fitness as far as it goes, and the search loop need not know of it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast import _core
from fer_fast.environment import installed_versions
from fer_fast.errors import DataError, OutputError
from fer_fast.progress import SILENT, Reporter
from fer_fast.selection.search import Fitness
from fer_fast.settings import Settings
from fer_fast.storage.files import file_digest

Subset = NDArray[np.int64]
Judgement = float | tuple[float, NDArray[np.float64]]
"""A score; with ``deposit="credit"`` beside what each feature of the subset earned."""

FORMAT = "fer-fast evaluations"
VERSION = 1
"""Counts changes of the format, and of the computation within one release of the package."""

_PACKAGES = ("fer-fast", "numpy", "scipy", "scikit-learn", "imbalanced-learn")
"""Those whose other release may balance, score or search otherwise.

What ONNX Runtime does is in the digest of the features.
"""

_LONGEST_LINE = 1 << 26
"""Bytes; a credit for 5,120 features takes 55 thousand."""


@dataclass(frozen=True)
class Evidence:
    """What a search was given to work on.

    Attributes
    ----------
    data : str
        The data set's digest.
    features : str
        SHA-256 of the features of every face, in hexadecimal.
    desirability : str
        SHA-256 of the colony's heuristic, in hexadecimal.
    """

    data: str
    features: str
    desirability: str


def evidence(data: str, X: NDArray[np.float32], desirability: NDArray[np.float64]) -> Evidence:
    """Return the digests of what a search is given.

    Parameters
    ----------
    data : str
        The data set's digest.
    X : ndarray of shape (n_faces, n_features), float32
    desirability : ndarray of shape (n_features,), float64
    """
    return Evidence(data, _digest(X), _digest(desirability))


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


@dataclass(frozen=True)
class _Entry:
    """A line: one subset judged.

    Attributes
    ----------
    iteration : int
        Counted from 0.
    subset : str
        SHA-256 of its ascending int64 indices, in hexadecimal.
    size : int
    score : float
    credit : str or None
        What each of its features earned, in base64 of little-endian float64.
    seconds : float
        What the evaluation took.
    elapsed : float
        Seconds of searching until its end, those of the sessions before included.
    """

    iteration: int
    subset: str
    size: int
    score: float
    credit: str | None
    seconds: float
    elapsed: float

    @classmethod
    def from_json(cls, document: Any) -> _Entry:
        """Return the entry that a line holds, or raise ValueError or TypeError."""
        entry = cls(**document)
        numbers = (entry.score, entry.seconds, entry.elapsed)
        if not all(isinstance(one, float) and math.isfinite(one) for one in numbers):
            raise ValueError("a number is none")
        if not all(type(one) is int and one >= 0 for one in (entry.iteration, entry.size)):
            raise ValueError("a count is none")
        if not isinstance(entry.subset, str):
            raise TypeError("a digest is no text")
        # Whatever is wrong with the credit shows here.
        _ = entry.judgement
        return entry

    @property
    def judgement(self) -> Judgement:
        """What the fitness said."""
        if self.credit is None:
            return self.score
        values = np.frombuffer(base64.b64decode(self.credit, validate=True), "<f8")
        if len(values) != self.size or not np.isfinite(values).all():
            raise ValueError("the credit is not the subset's")
        return self.score, values.astype(np.float64)


class Journal:
    """The evaluations of one run's search, on disk as soon as each has ended.

    Parameters
    ----------
    path : Path
        The file, which need not be there.
    run_id : str
    settings : Settings
    reporter : Reporter

    Raises
    ------
    DataError
        If the file is there and of another run, of other settings, or of versions of packages that
        may compute otherwise; the message names the difference.
    OutputError
        If it is there and cannot be read.
    """

    def __init__(
        self, path: Path, run_id: str, settings: Settings, reporter: Reporter = SILENT
    ) -> None:
        self.path = path
        self._reporter = reporter
        self._header: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "run_id": run_id,
            "settings": settings.deciding(),
            "versions": installed_versions(_PACKAGES),
            "compiled core": file_digest(Path(_core.__file__)),
        }
        self._known: dict[tuple[int, str], _Entry] = {}
        self._ended_by: str | None = None
        self._found: dict[str, Any] | None = None
        self._end = 0
        self._file: int | None = None
        self._lock = threading.Lock()
        self._elapsed = 0.0
        self._start = time.monotonic()
        self._read()

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, evidence: Evidence) -> None:
        """Start the search: write the header, or see that this is the search of the one there is.

        Raises
        ------
        DataError
            If data or features are not those of the journal.
        OutputError
            If the file cannot be written.
        """
        self._header |= asdict(evidence)
        self._start = time.monotonic()
        if self._found is not None:
            self._require_same(self._header)
            self._reporter.note(f"resuming: {len(self):,} evaluations are known from {self.path}")
        try:
            self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o666)
            os.ftruncate(self._file, self._end)
            os.lseek(self._file, 0, os.SEEK_END)
            if self._found is None:
                self._append(self._header)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path} ({error.strerror})",
                hint="free some space or choose another --out",
            ) from error

    def end(self, stopped_by: str) -> None:
        """Write what ended the search, and close the file."""
        with self._lock:
            if self._ended_by is None:
                self._try_to_append({"stopped_by": stopped_by})
        self.close()

    def close(self) -> None:
        """Close the file, which takes nothing more."""
        with self._lock:
            self._close()

    def find(self, iteration: int, subset: Subset) -> Judgement | None:
        """Return what was said of a subset in an iteration, or None."""
        entry = self._known.get((iteration, _digest(subset)))
        return None if entry is None else entry.judgement

    def add(self, iteration: int, subset: Subset, judgement: Judgement, seconds: float) -> None:
        """Write what was said of a subset; from any thread.

        Where the disk takes no more, the run goes on without a journal, and says so.
        """
        score, credit = judgement if isinstance(judgement, tuple) else (judgement, None)
        text = None
        if credit is not None:
            text = base64.b64encode(np.asarray(credit, "<f8").tobytes()).decode("ascii")
        entry = _Entry(
            iteration=iteration,
            subset=_digest(subset),
            size=len(subset),
            score=float(score),
            credit=text,
            seconds=round(seconds, 4),
            elapsed=round(self.elapsed(), 4),
        )
        with self._lock:
            self._try_to_append(asdict(entry))

    def elapsed(self) -> float:
        """Return the seconds that all sessions have searched, until now."""
        return self._elapsed + time.monotonic() - self._start

    def left_of(self, budget: float) -> float:
        """Return how much of a time budget, in seconds, this session may spend."""
        return 0.0 if self._ended_by == "time_budget" else max(0.0, budget - self._elapsed)

    def sync(self) -> None:
        """Wait until what is written is on the disk."""
        with self._lock, suppress(OSError):
            if self._file is not None:
                os.fsync(self._file)

    def _try_to_append(self, document: Mapping[str, Any]) -> None:
        if self._file is None:
            return
        try:
            self._append(document)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            self._close()
            self._reporter.warn(
                f"cannot write {self.path} ({error.strerror}): the run goes on, and could be "
                "resumed from here only"
            )

    def _append(self, document: Mapping[str, Any]) -> None:
        assert self._file is not None
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._end += len(line)

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = None

    def _read(self) -> None:
        """Read what there is, as far as it is whole: what comes after is computed again."""
        try:
            with self.path.open("rb") as file:
                while line := file.readline(_LONGEST_LINE):
                    if not self._take(line):
                        break
                    self._end += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(
                f"cannot read {self.path} ({error.strerror})", hint="make it readable"
            ) from error

    def _take(self, line: bytes) -> bool:
        """Take in a line; False: it is torn or damaged."""
        try:
            document = json.loads(line)
            entry = None
            if self._found is not None and "stopped_by" not in document:
                entry = _Entry.from_json(document)
        except (ValueError, TypeError, RecursionError):
            return False
        if not line.endswith(b"\n") or not isinstance(document, dict):
            return False
        if self._found is None:
            if document.get("format") != FORMAT:
                return False
            self._found = document
            self._require_same(self._header)
        elif entry is None:
            self._ended_by = str(document["stopped_by"])
        else:
            self._known[entry.iteration, entry.subset] = entry
            self._elapsed = max(self._elapsed, entry.elapsed)
        return True

    def _require_same(self, header: Mapping[str, Any]) -> None:
        # Before the search begins there is nothing to say of what it will be given.
        found = {name: self._found.get(name) for name in header} if self._found else {}
        differences = _differences(found, header)
        if differences:
            raise DataError(
                f"{self.path} is of another search: {'; '.join(differences)}",
                hint="resume it as it was begun, or begin another run with another --out",
            )


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each value that is not the same in both, of tables within them too."""
    found: list[str] = []
    for name in dict.fromkeys((*now, *then)):
        earlier, value = then.get(name), now.get(name)
        if isinstance(value, Mapping) and isinstance(earlier, Mapping):
            found += _differences(earlier, value)
        elif value != earlier:
            found.append(f"{name} was {_shown(earlier)} and is {_shown(value)}")
    return found


def _shown(value: Any) -> str:
    """Return a value for people; of a digest its beginning."""
    text = "unset" if value is None else str(value)
    return f"{text[:12]}…" if len(text) == 64 else text


class JournalledFitness:
    """A fitness that asks its journal first, and tells it what it computes.

    Parameters
    ----------
    fitness : Fitness
    journal : Journal
        That has begun.
    """

    def __init__(self, fitness: Fitness, journal: Journal) -> None:
        self._fitness = fitness
        self._journal = journal
        self._iteration = -1
        self._untold: Sequence[Subset] | None = None
        self._lock = threading.Lock()

    @property
    def deadline(self) -> float | None:
        """As the fitness has it: a reading of `time.monotonic`; None: no limit."""
        return self._fitness.deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        # What earlier sessions spent of a budget is spent.
        if deadline is not None:
            now = time.monotonic()
            deadline = now + self._journal.left_of(max(0.0, deadline - now))
        self._fitness.deadline = deadline

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Hear what the colony has credited before it has the next subsets scored."""
        self._journal.sync()
        self._iteration += 1
        # Where all is known the fitness need not grow the credited forests again.
        self._untold = credited

    def __call__(self, subset: Subset) -> Judgement:
        """Score one subset."""
        known = self._journal.find(self._iteration, subset)
        if known is not None:
            return known
        with self._lock:
            if self._untold is not None:
                self._fitness.next_iteration(self._untold)
                self._untold = None
        start = time.monotonic()
        judgement = self._fitness(subset)
        self._journal.add(self._iteration, subset, judgement, time.monotonic() - start)
        return judgement
