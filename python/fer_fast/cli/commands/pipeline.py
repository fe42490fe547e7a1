"""Run every stage, from faces to a test accuracy.

Fits on Training, calibrates on PublicTest and reports on PrivateTest, with and without the faces
whose exact image stands in another split. With --out, a run that was killed goes on by --resume.
"""

from __future__ import annotations

import argparse
import json
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
    from fer_fast.runs.seeds import SeedsFolder
    from fer_fast.selection.search import SelectionInterrupted

NAME = "pipeline"
HELP = "run every stage, from faces to a test accuracy"
EXAMPLES = """\
examples:
  fer-fast pipeline
  fer-fast pipeline --data fer2013.csv --out runs/first
  fer-fast pipeline --resume runs/first
  fer-fast pipeline --preset paper --data faces/
  fer-fast pipeline --data faces/ --seeds 5 --out runs/five
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, SECTIONS)
    group = parser.add_argument_group("runs")
    group.add_argument(
        "--resume",
        type=as_path,
        metavar="DIR",
        help="go on with the run of this folder, or with its --seeds, where it was killed",
    )
    group.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="repeat everything with N seeds, from --seed on, each in a folder of --out; give the "
        "mean and its interval",
    )
    group.add_argument(
        "--mlflow",
        metavar="URI",
        help="log the run, with its files, to this MLflow server or store once it has ended, such "
        "as http://localhost:5000 or sqlite:///mlflow.db (extra mlflow)",
    )
    group.add_argument(
        "--json", action="store_true", help="print metrics.json's document and nothing else"
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = None if options.resume else read_settings(options)
    # Imported late, so that --help and a mistyped option answer at once.
    from fer_fast.runs.folder import RunFolder
    from fer_fast.runs.seeds import SeedsFolder

    _require_loggable(options)
    seeds = SeedsFolder.find(options.resume, reporter) if options.resume else None
    if seeds is not None or options.seeds is not None:
        return _run_seeds(options, seeds, stdout, reporter)
    settings = settings or resumed_settings(options)
    folder = None
    if options.resume:
        folder = RunFolder.of_earlier_run(options.resume, reporter)
    elif settings.out is not None:
        folder = RunFolder(settings.out, reporter)
    if folder is not None and options.resume and folder.is_complete:
        reporter.note(f"nothing to resume: the run in {folder.path} has ended")
        if options.json:
            stdout.file.write(folder.metrics.read_text(encoding="utf-8"))
        _log(options, folder)
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
        _log(options, folder)
        reporter.note(f"look: {folder.report}")
        reporter.note(f"next: fer-fast predict --model {folder.model} photo.jpg")
    return 0


def _require_loggable(options: argparse.Namespace) -> None:
    """Refuse, before anything is computed, an --mlflow that nothing could come of."""
    from fer_fast.runs.mlflow_log import require_mlflow

    if options.mlflow is None:
        return
    if options.resume is None and options.out is None:
        raise ParameterError("--mlflow logs the files of --out, which is not given", hint="give it")
    require_mlflow()


def _log(options: argparse.Namespace, folder: RunFolder) -> None:
    if options.mlflow is not None:
        from fer_fast.runs.mlflow_log import log_run

        log_run(options.mlflow, folder)


def _run_seeds(
    options: argparse.Namespace, resumed: SeedsFolder | None, stdout: Console, reporter: Reporter
) -> int:
    """Run once for each seed, and show what they say together."""
    from fer_fast.cli.tables.seeds import seeds_table
    from fer_fast.runs.seeds import SeedsFolder, seeds_document

    n_seeds = _number_of_seeds(options, resumed)
    settings = read_settings(options) if resumed is None else resumed_settings(options)
    folder = resumed
    if folder is None and settings.out is not None:
        folder = SeedsFolder(settings.out, n_seeds, reporter)
    with ExitStack() as life:
        if folder is not None:
            life.enter_context(folder.owned())
            if resumed is None:
                folder.begin(settings)
        documents: list[dict[str, Any]] = []
        for seed in range(settings.seed, settings.seed + n_seeds):
            reporter.note(f"seed {seed}, {len(documents) + 1} of {n_seeds}")
            one = None if folder is None else folder.run_folder(seed)
            documents.append(_run_seed(replace(settings, seed=seed), one, reporter))
            if one is not None:
                _log(options, one)
        if folder is not None:
            with keeping():
                folder.save(documents)
    found = seeds_document(documents)
    if options.json:
        stdout.file.write(json.dumps(found | {"runs": documents}, indent=2) + "\n")
    else:
        stdout.print(seeds_table(documents, found["stability"]))
    if folder is not None:
        reporter.note(f"wrote {folder.summary}")
        reporter.note(f"next: fer-fast report {folder.path}/seed-*")
    return 0


def _number_of_seeds(options: argparse.Namespace, resumed: SeedsFolder | None) -> int:
    n_seeds: int = resumed.n_seeds if options.seeds is None and resumed else options.seeds
    if n_seeds < 2:
        raise ParameterError(f"--seeds is {n_seeds}", hint="an interval needs at least 2")
    if options.resume is None:
        return n_seeds
    if resumed is None:
        raise ParameterError(
            f"--resume {options.resume} is one run, and --seeds asks for {n_seeds}",
            hint="leave --seeds away, or begin them with another --out",
        )
    if n_seeds != resumed.n_seeds:
        raise ParameterError(
            f"--seeds is {n_seeds} here, and {resumed.n_seeds} in {resumed.config}",
            hint="resume them as they were begun, or begin others",
        )
    return n_seeds


def _run_seed(settings: Settings, folder: RunFolder | None, reporter: Reporter) -> dict[str, Any]:
    """Return the metrics of one seed's run, which need not be run where it has ended."""
    from fer_fast.runs.metrics import metrics_document
    from fer_fast.runs.record import read_record

    if folder is None:
        return metrics_document(_run_one(settings, None, lambda _: None, reporter))
    if folder.is_complete:
        reporter.note(f"the run in {folder.path} has ended")
    else:
        _run_one(replace(settings, out=folder.path), folder, lambda _: None, reporter)
    return read_record(folder.path).metrics


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
            hint = ", and ".join(filter(None, (error.hint, _way_on(folder))))
            raise WorkersError(error.message, hint=hint) from error
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
    return f"go on with `fer-fast pipeline --resume {folder.resumed_by or folder.path}`"


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
