"""What the terminal shows while stages work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from fer_fast.progress import Task

_WIDTH_WITHOUT_TERMINAL = 110


def open_consoles(*, no_color: bool = False) -> tuple[Console, Console]:
    """Return the consoles of standard output and standard error."""

    def console(*, stderr: bool) -> Console:
        made = Console(stderr=stderr, no_color=no_color or None, highlight=False)
        if not made.is_terminal:
            made.width = _WIDTH_WITHOUT_TERMINAL
        return made

    return console(stderr=False), console(stderr=True)


class _RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields["unit"]
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f} {unit}/s" if speed < 100 else f"{speed:,.0f} {unit}/s")


class _BarTask:
    def __init__(self, progress: Progress, description: str, total: int | None, unit: str) -> None:
        self._progress = progress
        self._id = progress.add_task(escape(description), total=total, unit=unit, status="")

    def advance(self, steps: int = 1, status: str = "") -> None:
        if status:
            self._progress.update(self._id, advance=steps, status=escape(status))
        else:
            self._progress.advance(self._id, steps)


class _CountingTask:
    def __init__(self) -> None:
        self.done = 0
        self.status = ""

    def advance(self, steps: int = 1, status: str = "") -> None:
        self.done += steps
        self.status = status or self.status


class ConsoleReporter:
    """A `Reporter` that draws live bars on a terminal, and writes plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, message: str) -> None:
        """Print a line."""
        self._console.print(Text.assemble(("· ", "dim"), message))

    def warn(self, message: str) -> None:
        """Print a line that stands out."""
        self._console.print(Text.assemble(("! ", "bold yellow"), (message, "yellow")))

    @contextmanager
    def task(self, description: str, total: int | None, unit: str = "") -> Iterator[Task]:
        """Show a bar (terminal) or, at the end, one line (elsewhere)."""
        if not self._console.is_terminal:
            yield from self._count(description, unit)
            return
        with Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            console=self._console,
        ) as progress:
            yield _BarTask(progress, description, total, unit)

    def _count(self, description: str, unit: str) -> Iterator[Task]:
        counting = _CountingTask()
        start = time.perf_counter()
        yield counting
        seconds = time.perf_counter() - start
        line = f"{description}: {counting.done:,} {unit} in {seconds:.1f} s".replace("  ", " ")
        self.note(f"{line} · {counting.status}" if counting.status else line)
