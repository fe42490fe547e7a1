"""List runs, show one, or compare some.

A comparison shows the settings that differ, McNemar's test on the same test rows, and how alike the
selections are.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.options import as_path
from fer_fast.errors import ParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "runs"
HELP = "list runs, show one, or compare some"
EXAMPLES = """\
examples:
  fer-fast runs list runs
  fer-fast runs show runs/paper
  fer-fast runs compare runs/paper runs/best
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("deed", choices=("list", "show", "compare"), help="what to do")
    parser.add_argument(
        "folders",
        nargs="*",
        type=as_path,
        metavar="DIR",
        help="list: where to look, here by default; else folders of runs",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    from fer_fast.cli.tables import runs as tables
    from fer_fast.runs.record import find_runs, read_record

    folders: list[Path] = options.folders
    if options.deed == "list":
        found = [path for folder in folders or [Path()] for path in find_runs(folder)]
        if not found:
            reporter.note("no runs: `fer-fast pipeline --out DIR` keeps one")
        else:
            stdout.print(tables.list_table(found))
        return 0
    least = 1 if options.deed == "show" else 2
    if len(folders) < least:
        raise ParameterError(
            f"`runs {options.deed}` is given {len(folders)} folders",
            hint=f"name at least {least} that runs were given by --out",
        )
    runs = [read_record(folder) for folder in folders]
    if options.deed == "show":
        for one in runs:
            stdout.print(tables.run_table(one))
    else:
        stdout.print(tables.comparison(runs))
    return 0
