"""The printed summary: the whole run for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fer_fast.faces.dataset import SPLIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from fer_fast.classifier.scores import HeldOutScores, Scores
    from fer_fast.runs.result import RunResult

_BOTH = "all rows | rows whose image stands in no other split"
_MEASURES = {
    "accuracy": "accuracy",
    "precision": "precision_weighted",
    "recall": "recall_weighted",
    "F1": "f1_weighted",
    "macro-F1": "f1_macro",
}


def summary(result: RunResult) -> RenderableType:
    """Return tables and a panel that rich prints, readable without colour."""
    compared = {
        "ant colony": result.scores,
        "k best by F": result.baselines["k_best"],
        "k at random": result.baselines["random"],
        "all": result.baselines["all_features"],
    }
    own_labels = {
        name: scores.own_labels
        for name, scores in compared.items()
        if scores.own_labels is not None
    }
    return Group(
        _data_table(result),
        _comparison_table(result, compared, f"PrivateTest: {_BOTH}"),
        *(
            [_comparison_table(result, own_labels, f"Against the data's own labels: {_BOTH}")]
            if own_labels
            else []
        ),
        _class_table(result.scores.test),
        _confusion_table(result.scores.test),
        _timing_table(result),
        _verdict(result),
    )


class _Fitting:
    """A table that another one stands in for where it is too wide."""

    def __init__(self, wide: Table, narrow: Table) -> None:
        self._wide = wide
        self._narrow = narrow

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = self._wide.__rich_measure__(console, options.update(max_width=1000)).maximum
        yield self._wide if width <= options.max_width else self._narrow


def _turned(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return a table whose columns are rows where it is too wide, both parts of a pair below."""
    first, *others = zip(columns, *rows, strict=True)
    narrow = [[cell.replace(" | ", "\n") for cell in row] for row in others]
    return _Fitting(_table(title, columns, rows), _table(title, first, narrow))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _data_table(result: RunResult) -> RenderableType:
    counts = {name: result.dataset.class_counts(split) for split, name in SPLIT_NAMES.items()}
    labels = list(next(iter(counts.values())))
    rows = [
        (name, *(f"{n:,}" for n in by_label.values()), f"{sum(by_label.values()):,}")
        for name, by_label in counts.items()
    ]
    return _turned("Faces", ("split", *labels, "all"), rows)


def _comparison_table(
    result: RunResult, compared: Mapping[str, HeldOutScores], title: str
) -> RenderableType:
    rows = []
    for name, evaluation in compared.items():
        k = result.classifier.n_features if name == "all" else len(result.classifier.subset)
        both = (evaluation.test, evaluation.test_deduplicated)
        measured = (
            " | ".join(f"{getattr(scores, measure):.3f}" for scores in both)
            for measure in _MEASURES.values()
        )
        rows.append((name, f"{k:,}", *measured))
    return _turned(title, ("features", "k", *_MEASURES), rows)


def _class_table(scores: Scores) -> Table:
    rows = [
        (name, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.support:,}")
        for name, one in scores.per_class.items()
    ]
    title = "Ant colony by class, all PrivateTest rows"
    return _table(title, ("class", "precision", "recall", "F1", "rows"), rows)


def _confusion_table(scores: Scores) -> RenderableType:
    names = list(scores.per_class)
    rows = [
        (name, *(f"{n:,}" for n in row)) for name, row in zip(names, scores.confusion, strict=True)
    ]
    title = "Confusion: true class down, predicted class across"
    narrow = _table(title, ("", *names), rows)
    narrow.box, narrow.padding, narrow.pad_edge = None, (0, 1, 0, 0), False
    for column in narrow.columns:
        # A name may be cut short, a figure may not.
        column.min_width = max(len(str(cell)) for cell in column.cells)
    return _Fitting(_table(title, ("", *names), rows), narrow)


def _timing_table(result: RunResult) -> Table:
    rows = [(stage, f"{seconds:.1f}") for stage, seconds in result.timings.items()]
    rows.append(("all", f"{sum(result.timings.values()):.1f}"))
    return _table("Seconds", ("stage", "s"), rows)


def _verdict(result: RunResult) -> Panel:
    test, own = result.scores.test, result.scores.test_deduplicated
    duplicates = test.rows - own.rows
    text = Text(
        f"{len(result.classifier.subset):,} of {result.classifier.n_features:,} features: "
        f"accuracy {test.accuracy:.3f}, macro-F1 {test.f1_macro:.3f} on {test.rows:,} PrivateTest "
        f"faces ({result.device}).\n"
        f"Without the {duplicates:,} faces whose exact image stands in another split: "
        f"accuracy {own.accuracy:.3f}, macro-F1 {own.f1_macro:.3f}."
    )
    if result.dataset.synthetic:
        text.append("\nSynthetic faces: these figures say nothing about FER-2013.", style="bold")
    return Panel(text, title="Result", title_align="left")
