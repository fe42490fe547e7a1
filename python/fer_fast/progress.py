"""How a stage tells what it is doing, without knowing who listens.

Stages take a `Reporter`; the command line passes one that draws with rich, a library user may pass
their own, and the default says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol


class Task(Protocol):
    """A countable piece of work under way."""

    def advance(self, steps: int = 1, status: str = "") -> None:
        """Count `steps` more units as done, and show `status` (a few words) beside them."""


class Reporter(Protocol):
    """Receives what stages have to say."""

    def note(self, message: str) -> None:
        """Say something worth a line: a cache hit, a count, a choice made."""

    def warn(self, message: str) -> None:
        """Say something that changes what the result means: a fallback, a foreign digest."""

    def task(self, description: str, total: int, unit: str = "") -> AbstractContextManager[Task]:
        """Open a task of `total` units that is shown until its context ends."""


class _Silence:
    """A reporter and its own task: both hear everything and say nothing."""

    def advance(self, steps: int = 1, status: str = "") -> None:
        pass

    def note(self, message: str) -> None:
        pass

    warn = note

    def task(
        self,
        description: str,  # noqa: ARG002
        total: int,  # noqa: ARG002
        unit: str = "",  # noqa: ARG002
    ) -> AbstractContextManager[Task]:
        return nullcontext(self)


SILENT: Reporter = _Silence()
"""The reporter of a library user who asked for none."""


@dataclass(frozen=True)
class WarningLog:
    """A reporter that passes everything on, and remembers the warnings.

    Attributes
    ----------
    reporter : Reporter
    warnings : list of str
        Each different one once, in the order in which they came.
    """

    reporter: Reporter
    warnings: list[str] = field(default_factory=list)

    def note(self, message: str) -> None:
        """Pass it on."""
        self.reporter.note(message)

    def warn(self, message: str) -> None:
        """Remember it and pass it on."""
        if message not in self.warnings:
            self.warnings.append(message)
        self.reporter.warn(message)

    def task(self, description: str, total: int, unit: str = "") -> AbstractContextManager[Task]:
        """Pass it on."""
        return self.reporter.task(description, total, unit)


@dataclass
class Clock:
    """Seconds per stage, in the order in which the stages ended."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block; one that fails leaves no time."""
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
