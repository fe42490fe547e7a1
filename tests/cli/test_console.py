"""What the terminal shows, and what a log file gets instead."""

import io
import re

import pytest
from rich.console import Console

from fer_fast.cli.console import ConsoleReporter

STATUS = "iteration 2/3 · best 0.4397 with 4,096 features · 3 cached"


@pytest.fixture
def run_task():
    def run(*, is_terminal: bool) -> str:
        console = Console(file=io.StringIO(), width=80, force_terminal=is_terminal)
        reporter = ConsoleReporter(console)
        with reporter.task("searching [brackets]", 60, "ants") as task:
            task.advance(40, STATUS)
            task.advance(20)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())

    return run


def test_a_bar_and_its_status_fit_eighty_columns(run_task):
    lines = run_task(is_terminal=True).replace("\r", "\n").splitlines()
    bars = [line for line in lines if "searching [brackets]" in line]
    assert "60/60" in bars[-1]
    assert any(STATUS in line for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_log_gets_a_line_at_the_start_and_one_at_the_end(run_task):
    first, last = run_task(is_terminal=False).splitlines()
    assert first == "· searching [brackets] …"
    assert re.fullmatch(
        rf"· searching \[brackets\]: 60 ants in \d+\.\d s · {re.escape(STATUS)}", last
    )


def test_notes_keep_their_brackets(capsys):
    console = Console(force_terminal=False, width=40)
    ConsoleReporter(console).note("run pip install 'fer-fast[cuda]', which is a long line to print")
    assert "· run pip install 'fer-fast[cuda]', which is a long line to print\n" in (
        capsys.readouterr().out
    )
