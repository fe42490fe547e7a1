"""Show what this installation has, what it lacks, and what mends it.

The exit status is 1 if ``--device cuda`` would fail.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "doctor"
HELP = "show what this installation has and what it lacks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options: it has none."""


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:  # noqa: ARG001
    """Run the command and return its exit status."""
    from fer_fast.doctor import diagnose

    table = Table("", "what", "found", "what to do", header_style="bold")
    checks = diagnose()
    for check in checks:
        mark = Text("✓", "green") if check.ok else Text("✗", "red")
        # As texts, or rich would take the brackets of a pip extra for markup.
        table.add_row(mark, *map(Text, (check.name, check.found, check.fix)))
    stdout.print(table)
    return 0 if checks[-1].ok else 1
