"""Run every stage, from faces to a test accuracy.

Fits on Training, decides on PublicTest and reports on PrivateTest, with and without the faces
whose exact image stands in another split.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.interrupt import kept
from fer_fast.cli.options import (
    add_feature_options,
    add_out_option,
    add_selection_options,
    read_settings,
)
from fer_fast.config_file import write_config
from fer_fast.errors import OutputError
from fer_fast.storage import make_dir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "pipeline"
HELP = "run every stage, from faces to a test accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_feature_options(parser)
    add_selection_options(parser)
    add_out_option(
        parser,
        "out",
        "DIR",
        "folder for metrics.json, config.toml, selection.json and forest.skops "
        "(default: print only)",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)
    if settings.out is not None:
        _check_writable(settings.out)

    # Imported late, so that --help and a mistyped option answer at once.
    from fer_fast.model import save_forest, save_selection
    from fer_fast.pipeline import SelectionInterrupted, run_pipeline
    from fer_fast.report import save_metrics, summary

    def keep_selection(subset: NDArray[np.int64], n_features: int) -> None:
        if settings.out is None:
            return
        path = settings.out / "selection.json"
        try:
            save_selection(path, subset, n_features)
        except OutputError as error:
            reporter.warn(f"the selection is not kept yet, the run goes on: {error}")
        else:
            kept(f"the selection is kept in {path}")

    try:
        result = run_pipeline(settings, keep_selection=keep_selection, reporter=reporter)
    except SelectionInterrupted as interrupt:
        colony = interrupt.colony
        if colony.best_subset is None:
            raise KeyboardInterrupt("interrupted before the first evaluation ended") from None
        found = (
            f"interrupted: the best so far scored {colony.best_score:.4f} "
            f"({settings.scoring} on {settings.judged_on} rows) with "
            f"{len(colony.best_subset):,} of {interrupt.n_features:,} features"
        )
        if settings.out is not None:
            path = settings.out / "selection.json"
            save_selection(path, colony.best_subset, interrupt.n_features, complete=False)
            found += f", kept in {path}"
        raise KeyboardInterrupt(found) from None
    # A disk that is full, or a reader of the output that left, must cost one of the two at most.
    try:
        stdout.print(summary(result))
    finally:
        if settings.out is not None:
            save_metrics(settings.out / "metrics.json", result)
            write_config(settings.out / "config.toml", settings)
            # Once more, for there may have been no room when the search ended.
            classifier = result.classifier
            save_selection(
                settings.out / "selection.json", classifier.subset, classifier.n_features
            )
            save_forest(settings.out / "forest.skops", classifier)
            reporter.note(
                "wrote metrics.json, config.toml, selection.json and forest.skops to "
                f"{settings.out}"
            )
    return 0


def _check_writable(folder: Path) -> None:
    make_dir(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write into --out {folder} ({error.strerror}): choose another folder"
        ) from error
