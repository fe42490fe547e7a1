"""Show what this installation has, what it lacks, and what mends it.

The exit status is 1 if ``--device cuda`` would fail.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fer_fast.environment import PIP
from fer_fast.errors import FerFastError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "doctor"
HELP = "show what this installation has and what it lacks"
EXAMPLES = """\
examples:
  fer-fast doctor
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: it has none."""


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:  # noqa: ARG001
    """Run the command and return its exit status."""
    try:
        from fer_fast.doctor import diagnose
    except ImportError as error:
        # What nothing works without.
        raise FerFastError(
            f"the installation is broken ({error})",
            hint=f"run `{PIP} install --force-reinstall fer-fast`",
        ) from error

    table = Table("", "what", "found", "what to do", header_style="bold")
    checks = diagnose()
    for check in checks:
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        table.add_row(mark, check.name, check.found, check.fix)
    stdout.print(table)
    return 0 if checks[-1].ok else 1
