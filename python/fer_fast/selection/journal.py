"""The journal of a search, from which one that was killed goes on where it was.

The file is a header and then a line for each subset that was judged. The colony is deterministic:
told the same scores again, it draws the same subsets, so that the journal stands in for its fitness
as far as it goes, and the search loop need not know of it.
"""

from __future__ import annotations

import base64
import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import hexdigits
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast import _core
from fer_fast.environment import installed_versions
from fer_fast.errors import DataError, OutputError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.files import file_digest
from fer_fast.storage.json_lines import JsonLines

Subset = NDArray[np.int64]
Judgement = float | tuple[float, NDArray[np.float64]]
"""A score; with ``deposit="credit"`` beside what each feature of the subset earned."""

FORMAT = "fer-fast evaluations"
VERSION = 1
"""Counts changes of the format, and of the computation within one release of the package."""


def array_digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes in C order, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def computed_by(packages: Iterable[str]) -> dict[str, Any]:
    """Return the part of a header that tells releases apart which may compute otherwise."""
    return {
        "versions": installed_versions(packages),
        "compiled core": file_digest(Path(_core.__file__)),
    }


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
    search : int
        Counted from 0, where searches follow one another.
    """

    iteration: int
    subset: str
    size: int
    score: float
    credit: str | None
    seconds: float
    elapsed: float
    search: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> _Entry:
        """Return the entry that a line holds, or raise ValueError or TypeError."""
        entry = cls(**document)
        numbers = (entry.score, entry.seconds, entry.elapsed)
        if not all(isinstance(one, float) and math.isfinite(one) for one in numbers):
            raise ValueError("a number is none")
        for one in (entry.iteration, entry.size, entry.search):
            _count(one)
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


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("a count is none")
    return value


class Journal:
    """The evaluations of a search, or of several in a row, on disk as soon as each has ended.

    Parameters
    ----------
    path : Path
        The file, which need not be there.
    header : mapping
        What decides the search, as JSON types.
    elsewhere : str
        How to have another file, for people.
    reporter : Reporter

    Raises
    ------
    DataError
        If the file is there and its header differs; the message names the difference.
    OutputError
        If it is there and cannot be read.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any],
        *,
        elsewhere: str,
        reporter: Reporter = SILENT,
    ) -> None:
        self.path = path
        self._elsewhere = elsewhere
        self._reporter = reporter
        self._header: dict[str, Any] = {"format": FORMAT, "version": VERSION, **header}
        self._found: dict[str, Any] | None = None
        self._known: dict[tuple[int, int, str], _Entry] = {}
        self._ended_by: dict[int, str] = {}
        self._file = JsonLines(path)
        self._lock = threading.Lock()
        try:
            self._file.read(self._take)
        except OSError as error:
            raise OutputError(
                f"cannot read {path} ({error.strerror})", hint="make it readable"
            ) from error

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, evidence: Mapping[str, str]) -> None:
        """Start the search: write the header, or see that this is the search of the one there is.

        Parameters
        ----------
        evidence : mapping of str to str
            Digests of what the search is given to work on.

        Raises
        ------
        DataError
            If they are not those of the journal.
        OutputError
            If the file cannot be written.
        """
        self._header |= evidence
        if self._found is not None:
            self._require_same()
            self._reporter.note(f"resuming: {len(self):,} evaluations are known from {self.path}")
        try:
            self._file.open()
            if self._found is None:
                self._file.append(self._header)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path} ({error.strerror})",
                hint=f"free some space or {self._elsewhere}",
            ) from error

    def known(self, search: int) -> list[_Entry]:
        """Return what is known of one search."""
        return [entry for entry in self._known.values() if entry.search == search]

    def find(self, search: int, iteration: int, subset: Subset) -> _Entry | None:
        """Return what is known of a subset in an iteration of a search."""
        return self._known.get((search, iteration, array_digest(subset)))

    def ended_by(self, search: int) -> str | None:
        """Return what ended a search; None: it has not ended."""
        return self._ended_by.get(search)

    def add(
        self,
        search: int,
        iteration: int,
        subset: Subset,
        judgement: Judgement,
        *,
        seconds: float,
        elapsed: float,
    ) -> None:
        """Write what was said of a subset; from any thread.

        Where the disk takes no more, the search goes on without a journal, and says so.

        Parameters
        ----------
        search, iteration : int
        subset : ndarray of int64
        judgement : float or tuple of float and ndarray
        seconds : float
            What the evaluation took.
        elapsed : float
            What the search has taken until now, all sessions together.
        """
        score, credit = judgement if isinstance(judgement, tuple) else (judgement, None)
        text = None
        if credit is not None:
            text = base64.b64encode(np.asarray(credit, "<f8").tobytes()).decode("ascii")
        entry = _Entry(
            iteration=iteration,
            subset=array_digest(subset),
            size=len(subset),
            score=float(score),
            credit=text,
            seconds=round(seconds, 4),
            elapsed=round(elapsed, 4),
            search=search,
        )
        self._try_to_append(asdict(entry))

    def end(self, search: int, stopped_by: str) -> None:
        """Write what ended a search."""
        if self._ended_by.get(search) != stopped_by:
            self._try_to_append({"stopped_by": stopped_by, "search": search})

    def sync(self) -> None:
        """Wait until what is written is on the disk."""
        with self._lock:
            self._file.sync()

    def close(self) -> None:
        """Close the file, which takes nothing more."""
        with self._lock:
            self._file.close()

    def _try_to_append(self, document: Mapping[str, Any]) -> None:
        with self._lock:
            if not self._file.is_open:
                return
            try:
                self._file.append(document)
            except OSError as error:
                self._file.close()
                refusal = error.strerror
            else:
                return
        self._reporter.warn(
            f"cannot write {self.path} ({refusal}): the run goes on, and could be resumed from "
            "here only"
        )

    def _take(self, document: dict[str, Any]) -> bool:
        """Take in a line; False: it is damaged."""
        if self._found is None:
            if document.get("format") != FORMAT:
                return False
            self._found = document
            self._require_same()
            return True
        try:
            if "stopped_by" in document:
                self._ended_by[_count(document.get("search", 0))] = str(document["stopped_by"])
                return True
            entry = _Entry.from_json(document)
        except (ValueError, TypeError):
            return False
        self._known[entry.search, entry.iteration, entry.subset] = entry
        return True

    def _require_same(self) -> None:
        # Before the search begins there is nothing to say of what it will be given.
        found = {name: self._found.get(name) for name in self._header} if self._found else {}
        differences = _differences(found, self._header)
        if differences:
            raise DataError(
                f"{self.path} is of another search: {'; '.join(differences)}",
                hint=f"resume it as it was begun, or {self._elsewhere}",
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
    if len(text) >= 40 and set(text) <= set(hexdigits):
        return f"{text[:12]}…"
    return text if len(text) <= 100 else f"{text[:99]}…"


class JournalledFitness:
    """A fitness that asks its journal first, and tells it what it computes.

    Parameters
    ----------
    fitness : callable
        Takes a subset, and returns its score, or a tuple of it and a credit per feature; it may
        have a `deadline` and a `next_iteration`, as `selection.search.Fitness` has them.
    journal : Journal
        That has begun.
    search : int, default=0
        Which of several searches in a row this is.
    keeps : callable or None
        Tells whether what was said of a subset stands; else it is asked for again when the search
        is resumed.
    """

    def __init__(
        self,
        fitness: Any,
        journal: Journal,
        *,
        search: int = 0,
        keeps: Callable[[Subset], bool] | None = None,
    ) -> None:
        self._fitness = fitness
        self._journal = journal
        self._search = search
        self._keeps = keeps
        self._iteration = -1
        self._untold: Sequence[Subset] | None = None
        known = journal.known(search)
        self.n_known = len(known)
        self._n_told = 0
        self._spent = max((entry.elapsed for entry in known), default=0.0)
        self._told_until = 0.0
        self._went_on: float | None = None
        self._lock = threading.Lock()

    @property
    def deadline(self) -> float | None:
        """As the fitness has it: a reading of `time.monotonic`; None: no limit."""
        deadline: float | None = self._fitness.deadline
        return deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        if deadline is not None:
            now = time.monotonic()
            deadline = now + self.left_of(max(0.0, deadline - now))
        self._fitness.deadline = deadline

    def left_of(self, budget: float) -> float:
        """Return how much of a time budget, in seconds, earlier sessions have not spent."""
        return 0.0 if self._has_spent_its_budget else max(0.0, budget - self._spent)

    def elapsed(self) -> float:
        """Return the seconds that all sessions took to come to where the search is now.

        Infinity where the search was ended by its time budget, and all that it knew is told.
        """
        with self._lock:
            if self._went_on is not None:
                return self._spent + time.monotonic() - self._went_on
            if self._has_spent_its_budget and self._n_told == self.n_known:
                return math.inf
            return self._told_until

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Hear what the colony has credited before it has the next subsets scored."""
        self._journal.sync()
        self._iteration += 1
        # Where all is known the fitness need not grow the credited forests again.
        self._untold = credited

    def __call__(self, subset: Subset) -> Judgement:
        """Score one subset."""
        known = self._journal.find(self._search, self._iteration, subset)
        if known is not None:
            with self._lock:
                self._n_told += 1
                self._told_until = max(self._told_until, known.elapsed)
            return known.judgement
        start = time.monotonic()
        with self._lock:
            self._went_on = self._went_on or start
            if self._untold is not None and hasattr(self._fitness, "next_iteration"):
                self._fitness.next_iteration(self._untold)
            self._untold = None
        judgement: Judgement = self._fitness(subset)
        if self._keeps is None or self._keeps(subset):
            seconds = time.monotonic() - start
            self._journal.add(
                self._search,
                self._iteration,
                subset,
                judgement,
                seconds=seconds,
                elapsed=self.elapsed(),
            )
        return judgement

    def end(self, stopped_by: str) -> None:
        """Write what ended the search."""
        self._journal.end(self._search, stopped_by)

    @property
    def _has_spent_its_budget(self) -> bool:
        return self._journal.ended_by(self._search) == "time_budget"
