"""What the terminal shows, and what a log file gets instead."""

from __future__ import annotations

import errno
import io
import re

import pytest

from fer_fast.cli.console import ConsoleReporter, console
from fer_fast.cli.streams import GuardedStream

STATUS = "iteration 2/3 · best 0.4397 with 4,096 features · 3 cached"
TERMINAL = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def shown(stream: io.StringIO, environment: dict[str, str]) -> str:
    """Return what a task writes to a stream, without colours."""
    reporter = ConsoleReporter(console(GuardedStream(stream), environment))
    with reporter.task("searching [brackets]", 60, "ants") as task:
        task.advance(40, STATUS)
        task.advance(20)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())


def test_a_bar_and_its_status_fit_eighty_columns() -> None:
    lines = shown(Terminal(), TERMINAL).replace("\r", "\n").splitlines()
    bars = [line for line in lines if "searching [brackets]" in line]
    assert "60/60" in bars[-1]
    assert any(STATUS in line for line in lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_says_how_long_it_took_and_takes_at_any_width(columns: int) -> None:
    lines = shown(Terminal(), TERMINAL | {"COLUMNS": str(columns)}).replace("\r", "\n").splitlines()
    bars = [line.rstrip() for line in lines if "searching [brackets]" in line]
    assert max(map(len, bars)) <= columns
    assert all(re.search(r"\d:\d\d:\d\d (\d:\d\d:\d\d|-:--:--)$", bar) for bar in bars)
    assert "…" not in "".join(bars)


def test_a_log_says_how_long_it_took_and_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    stream = io.StringIO()
    with ConsoleReporter(console(GuardedStream(stream))).task("growing", 40, "trees") as task:
        clock[0] += 30.0
        task.advance(10)
        clock[0] += 1.0
        task.advance(30)
    assert stream.getvalue().splitlines() == [
        "· growing …",
        "· growing: 10 of 40 trees in 30.0 s, some 0:01:30 to go",
        "· growing: 40 trees in 31.0 s",
    ]


@pytest.mark.parametrize(
    ("stream", "environment"),
    [
        (io.StringIO, {}),
        (io.StringIO, TERMINAL | {"FORCE_COLOR": "1"}),
        (Terminal, TERMINAL | {"TERM": "dumb"}),
    ],
    ids=["a file", "a file with FORCE_COLOR", "a dumb terminal"],
)
def test_what_shows_no_bar_gets_a_line_at_the_start_and_one_at_the_end(stream, environment) -> None:
    first, last = shown(stream(), environment).splitlines()
    assert first == "· searching [brackets] …"
    assert re.fullmatch(
        rf"· searching \[brackets\]: 60 ants in \d+\.\d s · {re.escape(STATUS)}", last
    )


@pytest.mark.parametrize(
    "text", ["'fer-fast[cuda]'", "/[/bold]/x", "/data/:smile:/x", "[red]", "\\[red]"]
)
def test_every_text_is_printed_as_it_is(text: str) -> None:
    stream = io.StringIO()
    made = console(GuardedStream(stream))
    ConsoleReporter(made).note(f"{text}, which is followed by {'a long line ' * 20}")
    made.print(text)
    note, printed = stream.getvalue().splitlines()
    assert note.startswith(f"· {text}, which")
    assert printed == text


def test_a_reporter_falls_silent_when_its_stream_is_gone() -> None:
    stream = FullDisk()
    guarded = GuardedStream(stream)
    reporter = ConsoleReporter(console(guarded))
    reporter.note("first")
    assert guarded.refusal.errno == errno.ENOSPC
    reporter.warn("second")
    with reporter.task("third", 1) as task:
        task.advance()
    assert "second" not in stream.getvalue()


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_a_stream_that_is_closed_is_silent(stream) -> None:
    if stream is not None:
        stream.close()
    guarded = GuardedStream(stream)
    console(guarded).print("heard by nobody")
    assert not guarded.isatty()


@pytest.mark.parametrize(
    ("encoding", "plain"),
    [
        ("utf-8", "Training → 3 × 2 · ✓ ? ü"),
        ("cp1252", "Training > 3 × 2 · + ? ü"),
        ("ascii", "Training > 3 x 2 - + ? ?"),
    ],
)
def test_signs_that_an_encoding_lacks_are_said_in_others(encoding: str, plain: str) -> None:
    raw = io.BytesIO()
    made = console(GuardedStream(io.TextIOWrapper(raw, encoding=encoding)))
    # The byte 0xFF of a path that is no UTF-8 has no sign in any encoding.
    made.print("Training → 3 × 2 · ✓ \udcff ü")
    assert raw.getvalue().decode(encoding).rstrip() == plain
