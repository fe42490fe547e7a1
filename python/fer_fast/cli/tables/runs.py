"""Runs as tables: one a line, one alone, some side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fer_fast.errors import DataError
from fer_fast.runs import compare
from fer_fast.runs.record import RunRecord, read_record


def list_table(folders: Sequence[Path]) -> RenderableType:
    """Return a line for each run, those that have not ended among them."""
    table = _table("Runs", "folder", "features", "accuracy", "own rows", "seed", "ended")
    for folder in folders:
        try:
            run = read_record(folder)
        except DataError:
            table.add_row(str(folder), "", "", "", "", "no")
            continue
        table.add_row(
            str(folder),
            f"{run.metrics['features']['selected']:,}",
            f"{run.metrics['test']['accuracy']:.4f}",
            f"{run.metrics['test_deduplicated']['accuracy']:.4f}",
            str(run.parameters.get("seed", "")),
            "yes",
        )
    return table


def run_table(run: RunRecord) -> RenderableType:
    """Return what one run is and found."""
    table = _table(f"Run {run.run_id}", "", "")
    features, data = run.metrics["features"], run.metrics["data"]
    table.add_row("folder", str(run.path))
    table.add_row("data", f"{data['source']} ({data['labels']})")
    table.add_row("features", f"{features['selected']:,} of {features['total']:,}")
    scores = _table("Scores", "features", "accuracy", "own rows", "macro-F1", "own rows")
    for method, label in compare.METHODS.items():
        one = compare.scores_of(run.metrics, method)
        both = one["test"], one["test_deduplicated"]
        cells = [f"{rows[measure]:.4f}" for measure in ("accuracy", "f1_macro") for rows in both]
        scores.add_row(label, *cells)
    parameters = _table("Parameters", "name", "value")
    for name, value in run.parameters.items():
        if value is not None:
            parameters.add_row(name, _shown(value))
    warnings = [Text(f"! {one}", "yellow") for one in run.metrics.get("warnings", [])]
    return Group(table, scores, parameters, *warnings)


def comparison(runs: Sequence[RunRecord]) -> RenderableType:
    """Return how runs differ, and whether in their answers by more than chance."""
    names = [str(run.path) for run in runs]
    scores = _table("Scores, all test rows and own rows", "run", "features", "accuracy", "macro-F1")
    for name, run in zip(names, runs, strict=True):
        both = run.metrics["test"], run.metrics["test_deduplicated"]
        scores.add_row(
            name,
            f"{run.metrics['features']['selected']:,}",
            *(
                " | ".join(f"{rows[measure]:.4f}" for rows in both)
                for measure in ("accuracy", "f1_macro")
            ),
        )
    different = _table("What differs", "name", *names)
    for name, values in compare.different_parameters(runs).items():
        different.add_row(name, *map(_shown, values))
    pairs = _table(
        "Pairs on the same test rows",
        *("pair", "only first right", "only second right", "McNemar p", "overlap"),
    )
    for first, second in combinations(runs, 2):
        pair = compare.compare_pair(first, second)
        pairs.add_row(
            f"{first.path} and {second.path}",
            f"{pair.only_first:,}",
            f"{pair.only_second:,}",
            f"{pair.p:.3g}",
            f"{compare.overlap(first, second):.3f}",
        )
    alike = compare.selection_stability(runs)
    return Group(
        scores,
        different,
        pairs,
        Text(
            "Overlap: features in both selections, of those in either. Stability of all "
            f"selections, corrected for chance: {alike:.3f}."
        ),
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", overflow="fold")
    return table


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
