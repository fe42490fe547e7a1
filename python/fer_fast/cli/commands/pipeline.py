"""Run every stage, from faces to a test accuracy.

Fits on Training, decides on PublicTest and reports on PrivateTest, with and without the faces
whose exact image stands in another split.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_fast.cli.interrupt import keeping, kept
from fer_fast.cli.options import add_options, read_settings
from fer_fast.errors import OutputError
from fer_fast.settings import SECTIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from fer_fast.progress import Reporter
    from fer_fast.runs.folder import RunFolder
    from fer_fast.selection.search import SelectionInterrupted

NAME = "pipeline"
HELP = "run every stage, from faces to a test accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, SECTIONS)


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)

    # Imported late, so that --help and a mistyped option answer at once.
    from fer_fast.runs.folder import RunFolder

    folder = None if settings.out is None else RunFolder(settings.out, reporter)
    if folder is not None:
        folder.create()

    from fer_fast.cli.tables.summary import summary
    from fer_fast.experiment import run_pipeline
    from fer_fast.selection.search import SelectionInterrupted

    def keep_selection(subset: NDArray[np.int64], n_features: int) -> None:
        if folder is None:
            return
        try:
            with keeping():
                folder.save_selection(subset, n_features)
        except OutputError as error:
            reporter.warn(f"the selection is not kept yet, the run goes on: {error}")
        else:
            kept(f"the selection is kept in {folder.selection}")

    try:
        result = run_pipeline(settings, keep_selection=keep_selection, reporter=reporter)
    except SelectionInterrupted as interrupt:
        found = _keep_interrupted(interrupt, folder, f"{settings.scoring} on {settings.judges}")
        raise KeyboardInterrupt(found) from None
    # A disk that is full must not cost what is printed, too.
    try:
        if folder is not None:
            with keeping():
                folder.save(result)
            *others, last = RunFolder.FILES
            reporter.note(f"wrote {', '.join(others)} and {last} to {folder.path}")
    finally:
        stdout.print(summary(result))
    return 0


def _keep_interrupted(interrupt: SelectionInterrupted, folder: RunFolder | None, judge: str) -> str:
    """Keep the best subset so far, and say what it is."""
    answer, score = interrupt.colony.answer, interrupt.colony.best_score
    if answer is None:
        return "interrupted before there was a subset to take"
    said = (
        "the best so far has no score yet,"
        if score is None
        else (f"the best so far scored {score:.4f} ({judge} rows)")
    )
    found = f"interrupted: {said} with {len(answer):,} of {interrupt.n_features:,} features"
    if folder is not None:
        with keeping():
            folder.save_selection(answer, interrupt.n_features, complete=False)
        found += f", kept in {folder.selection}"
    return found
