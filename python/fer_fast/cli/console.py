"""What the terminal shows while stages work."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO, cast

from rich.console import Console, RenderableType
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
from rich.table import Column
from rich.text import Text

from fer_fast.cli.streams import GuardedStream, standard_streams
from fer_fast.progress import SILENT, Task

_WIDTH_WITHOUT_TERMINAL = 110
_WIDTH_FOR_ALL = 78
_SECONDS_BETWEEN_LINES = 15.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def open_consoles() -> tuple[Console, Console]:
    """Return the consoles of standard output and standard error, which take every text as it is."""
    stdout, stderr = standard_streams()
    return console(stdout), console(stderr)


def console(stream: GuardedStream, environment: Mapping[str, str] | None = None) -> Console:
    """Return the console of a stream; without `environment`, in the process' own."""
    made = Console(
        file=cast(TextIO, stream), highlight=False, markup=False, emoji=False, _environ=environment
    )
    if not stream.isatty():
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def one_line(message: str) -> str:
    """Return a message whose control characters, such as a path may have, are seen and harmless."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], message)


class _RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: RichTask) -> Text:
        speed = task.finished_speed or task.speed
        unit = task.fields["unit"]
        if not speed:
            return Text("")
        return Text(f"{speed:,.1f} {unit}/s" if speed < 100 else f"{speed:,.0f} {unit}/s")


class _Bars(Progress):
    """Bars with each task's status on a line of its own, for which 80 columns have no room."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            if task.fields["status"]:
                yield Text(f"  {task.fields['status']}", "dim", no_wrap=True, overflow="ellipsis")


class _BarTask:
    def __init__(self, progress: Progress, description: str, total: int, unit: str) -> None:
        self._progress = progress
        self._id = progress.add_task(escape(description), total=total, unit=unit, status="")

    def advance(self, steps: int = 1, status: str = "") -> None:
        if status:
            self._progress.update(self._id, advance=steps, status=status)
        else:
            self._progress.advance(self._id, steps)


class _LoggedTask:
    """A task in a log file: a line when it starts, now and then, and when it ends."""

    def __init__(
        self, note: Callable[[str], None], description: str, total: int, unit: str
    ) -> None:
        self._note = note
        self._description = description
        self._total = total
        self._unit = unit
        self._done = 0
        self._status = ""
        self._start = self._last_line = time.perf_counter()
        note(f"{description} …")

    def advance(self, steps: int = 1, status: str = "") -> None:
        self._done += steps
        self._status = status or self._status
        is_due = time.perf_counter() - self._last_line >= _SECONDS_BETWEEN_LINES
        if is_due and self._done != self._total:
            self.print()

    def print(self) -> None:
        self._last_line = time.perf_counter()
        seconds = self._last_line - self._start
        line = f"{self._description}: {self._done:,}"
        if self._done == self._total:
            line += f" {self._unit} in {seconds:.1f} s"
        else:
            line += f" of {self._total:,} {self._unit} in {seconds:.1f} s"
            if self._done:
                rest = seconds / self._done * (self._total - self._done)
                line += f", some {timedelta(seconds=round(rest))} to go"
        self._note(f"{line} · {self._status}" if self._status else line)


class ConsoleReporter:
    """A `Reporter` that draws live bars on a terminal, and writes plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, message: str) -> None:
        """Print a line."""
        self._console.print(Text.assemble(("· ", "dim"), one_line(message)), soft_wrap=True)

    def warn(self, message: str) -> None:
        """Print a line that stands out."""
        self._console.print(
            Text.assemble(("! ", "bold yellow"), (one_line(message), "yellow")), soft_wrap=True
        )

    @contextmanager
    def task(self, description: str, total: int, unit: str = "") -> Iterator[Task]:
        """Show a bar (terminal) or a line now and then (elsewhere)."""
        # FORCE_COLOR makes a terminal of a log file, and a dumb terminal shows no bar.
        if not (self._console.is_interactive and self._console.file.isatty()):
            logged = _LoggedTask(self.note, description, total, unit)
            yield logged
            logged.print()
            return
        columns = [
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            _RateColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
        ]
        if self._console.width < _WIDTH_FOR_ALL:
            # How long it takes is worth more than how fast it goes.
            columns = [one for one in columns if not isinstance(one, BarColumn | _RateColumn)]
        with _Bars(*columns, console=self._console) as progress:
            yield _BarTask(progress, description, total, unit)


class QuietReporter(ConsoleReporter):
    """A `Reporter` that passes on warnings alone."""

    def note(self, message: str) -> None:
        """Say nothing."""

    @contextmanager
    def task(self, description: str, total: int, unit: str = "") -> Iterator[Task]:
        """Show nothing."""
        with SILENT.task(description, total, unit) as task:
            yield task
