"""Run every stage, from faces to a test accuracy.

Fits on Training, calibrates on PublicTest and reports on PrivateTest, with and without the faces
whose exact image stands in another split. With --out, a run that was killed goes on by --resume.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fer_fast.cli.interrupt import keeping, kept
from fer_fast.cli.options import add_options, as_path, read_settings, resumed_settings
from fer_fast.errors import OutputError, ParameterError, WorkersError
from fer_fast.settings import SECTIONS, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from fer_fast.progress import Reporter
    from fer_fast.runs.folder import RunFolder
    from fer_fast.runs.result import RunResult
    from fer_fast.selection.search import SelectionInterrupted

NAME = "pipeline"
HELP = "run every stage, from faces to a test accuracy"
EXAMPLES = """\
examples:
  fer-fast pipeline
  fer-fast pipeline --data fer2013.csv --preset paper --out runs/paper
  fer-fast pipeline --resume runs/paper
  fer-fast pipeline --data fer2013.csv --seeds 5 --out runs/five
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, SECTIONS)
    group = parser.add_argument_group("runs")
    group.add_argument(
        "--resume",
        type=as_path,
        metavar="DIR",
        help="go on with the run of this folder, with its settings, where it was killed",
    )
    group.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="repeat everything with N seeds, from --seed on, each in a folder of --out; give the "
        "mean and its interval",
    )
    group.add_argument(
        "--json", action="store_true", help="print metrics.json's document and nothing else"
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    if options.seeds is not None:
        return _run_seeds(options, stdout, reporter)
    settings = resumed_settings(options) if options.resume else read_settings(options)

    # Imported late, so that --help and a mistyped option answer at once.
    from fer_fast.runs.folder import RunFolder

    folder = None
    if options.resume:
        folder = RunFolder.of_earlier_run(options.resume, reporter)
    elif settings.out is not None:
        folder = RunFolder(settings.out, reporter)
    if folder is not None and options.resume and folder.is_complete:
        reporter.note(f"nothing to resume: the run in {folder.path} has ended")
        if options.json:
            stdout.file.write(folder.metrics.read_text(encoding="utf-8"))
        return 0

    def show(result: RunResult) -> None:
        if options.json:
            from fer_fast.runs.metrics import metrics_text

            stdout.file.write(metrics_text(result, None if folder is None else folder.run_id))
        else:
            from fer_fast.cli.tables.summary import summary

            stdout.print(summary(result))

    _run_one(settings, folder, show, reporter)
    if folder is None:
        reporter.note("nothing is kept: --out DIR keeps the model and a report")
    else:
        *others, last = RunFolder.FILES
        reporter.note(f"wrote {', '.join(others)} and {last} to {folder.path}")
        reporter.note(f"look: {folder.report}")
        reporter.note(f"next: fer-fast predict --model {folder.model} photo.jpg")
    return 0


def _run_seeds(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run once for each seed, and show what they say together."""
    if options.resume is not None:
        raise ParameterError(
            "--seeds and --resume exclude each other", hint="resume the folder of one seed"
        )
    if options.seeds < 2:
        raise ParameterError(f"--seeds is {options.seeds}", hint="an interval needs at least 2")
    settings = read_settings(options)

    from fer_fast.cli.tables.seeds import seeds_document, seeds_table
    from fer_fast.runs.folder import RunFolder
    from fer_fast.runs.metrics import metrics_document

    documents: list[dict[str, Any]] = []
    for seed in range(settings.seed, settings.seed + options.seeds):
        out = None if settings.out is None else settings.out / f"seed-{seed}"
        reporter.note(f"seed {seed}, {len(documents) + 1} of {options.seeds}")
        folder = None if out is None else RunFolder(out, reporter)
        one = replace(settings, seed=seed, out=out)
        documents.append(metrics_document(_run_one(one, folder, lambda _: None, reporter)))
    if options.json:
        stdout.file.write(seeds_document(documents))
    else:
        stdout.print(seeds_table(documents))
    if settings.out is not None:
        reporter.note(f"next: fer-fast report {settings.out}/seed-*")
    return 0


def _run_one(
    settings: Settings,
    folder: RunFolder | None,
    show: Callable[[RunResult], None],
    reporter: Reporter,
) -> RunResult:
    """Run all stages, keep what they find, and show it."""
    from fer_fast.experiment import run_pipeline
    from fer_fast.selection.search import SelectionInterrupted

    with ExitStack() as life:
        journal = None
        if folder is not None:
            folder.create()
            life.enter_context(folder.owned())
            folder.begin(settings)
            kept(_way_on(folder))
            journal = life.enter_context(closing(folder.journal(settings)))
        try:
            result = run_pipeline(
                settings,
                keep_selection=None if folder is None else partial(_keep_selection, folder),
                journal=journal,
                reporter=reporter,
            )
        except WorkersError as error:
            if folder is None:
                raise
            raise WorkersError(
                error.message, hint=f"{error.hint}, and {_way_on(folder)}"
            ) from error
        except SelectionInterrupted as interrupt:
            judge = f"{settings.scoring} on {settings.judges}"
            raise KeyboardInterrupt(_keep_interrupted(interrupt, folder, judge)) from None
        # A disk that is full must not cost what is printed, too.
        try:
            if folder is not None:
                with keeping():
                    folder.save(result)
        finally:
            show(result)
    return result


def _way_on(folder: RunFolder) -> str:
    return f"go on with `fer-fast pipeline --resume {folder.path}`"


def _keep_selection(folder: RunFolder, subset: NDArray[np.int64], n_features: int) -> None:
    try:
        with keeping():
            folder.save_selection(subset, n_features)
    except OutputError as error:
        folder.reporter.warn(f"the selection is not kept yet, the run goes on: {error}")
    else:
        kept(f"the selection is kept in {folder.selection}, {_way_on(folder)}")


def _keep_interrupted(interrupt: SelectionInterrupted, folder: RunFolder | None, judge: str) -> str:
    """Keep the best subset so far, and say what it is."""
    answer, score = interrupt.colony.answer, interrupt.colony.best_score
    if answer is None:
        found = "interrupted before there was a subset to take"
        return found if folder is None else f"{found}: {_way_on(folder)}"
    said = (
        "the best so far has no score yet,"
        if score is None
        else f"the best so far scored {score:.4f} ({judge} rows)"
    )
    found = f"interrupted: {said} with {len(answer):,} of {interrupt.n_features:,} features"
    if folder is not None:
        with keeping():
            folder.save_selection(answer, interrupt.n_features, complete=False)
        found += f", kept in {folder.selection}, {_way_on(folder)}"
    return found
