"""The printed summary: the whole run for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from fer_fast.faces.dataset import SPLIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fer_fast.classifier.scores import HeldOutScores, Scores
    from fer_fast.runs.result import RunResult

_BOTH = "all rows | rows whose image stands in no other split"


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


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right")
    return table


def _data_table(result: RunResult) -> Table:
    counts = {name: result.dataset.class_counts(split) for split, name in SPLIT_NAMES.items()}
    labels = list(next(iter(counts.values())))
    table = _table("Faces", "split", *labels, "all")
    for name, by_label in counts.items():
        table.add_row(name, *(f"{n:,}" for n in by_label.values()), f"{sum(by_label.values()):,}")
    return table


def _comparison_table(
    result: RunResult, compared: Mapping[str, HeldOutScores], title: str
) -> Table:
    table = _table(title, *("features", "k", "accuracy", "precision", "recall", "F1", "macro-F1"))
    for name, evaluation in compared.items():
        k = result.classifier.n_features if name == "all" else len(result.classifier.subset)
        both = (evaluation.test, evaluation.test_deduplicated)
        table.add_row(
            name,
            f"{k:,}",
            *(
                " | ".join(f"{getattr(scores, measure):.3f}" for scores in both)
                for measure in (
                    "accuracy",
                    "precision_weighted",
                    "recall_weighted",
                    "f1_weighted",
                    "f1_macro",
                )
            ),
        )
    return table


def _class_table(scores: Scores) -> Table:
    table = _table(
        "Ant colony by class, all PrivateTest rows", "class", "precision", "recall", "F1", "rows"
    )
    for name, one in scores.per_class.items():
        table.add_row(
            name, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", f"{one.support:,}"
        )
    return table


def _confusion_table(scores: Scores) -> Table:
    names = list(scores.per_class)
    table = _table("Confusion: true class down, predicted class across", "", *names)
    for name, row in zip(names, scores.confusion, strict=True):
        table.add_row(name, *(f"{n:,}" for n in row))
    return table


def _timing_table(result: RunResult) -> Table:
    table = _table("Seconds", "stage", "s")
    for stage, seconds in result.timings.items():
        table.add_row(stage, f"{seconds:.1f}")
    table.add_row("all", f"{sum(result.timings.values()):.1f}")
    return table


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
