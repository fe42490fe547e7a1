"""Write a run's report anew, or one that sets several runs side by side.

A report is one HTML file that needs no network. It names no folder of this machine unless --paths
asks for that.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.options import add_out_option, as_path

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "report"
HELP = "write a run's report, or one of several runs side by side"
EXAMPLES = """\
examples:
  fer-fast report runs/paper
  fer-fast report runs/paper runs/best --out both.html
  fer-fast report runs/paper --faces --out private.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("runs", nargs="+", type=as_path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--paths", action="store_true", help="let the report show where files lie on this machine"
    )
    parser.add_argument(
        "--faces",
        action="store_true",
        help="show the surest mistakes as pictures, from the data set where the run found it; they "
        "are people's faces",
    )
    add_out_option(
        parser,
        "out",
        "FILE",
        "HTML file to write (default: report.html, of one run in its folder)",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    from fer_fast.runs.record import read_record
    from fer_fast.runs.report.mistakes import faces_of
    from fer_fast.runs.report.page import save_report

    folders: list[Path] = options.runs
    default = folders[0] / "report.html" if len(folders) == 1 else Path("report.html")
    path = options.out or default
    runs = [read_record(one) for one in folders]
    faces = {one.run_id: faces_of(one, reporter) for one in runs if options.faces}
    save_report(path, runs, with_paths=options.paths, faces=faces)
    stdout.print(f"wrote {path}", soft_wrap=True)
    return 0
