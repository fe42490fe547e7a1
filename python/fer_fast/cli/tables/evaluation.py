"""What a saved model scores on a data set, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from fer_fast.recognition.evaluation import Evaluation


def evaluation_tables(evaluation: Evaluation) -> RenderableType:
    """Return tables and a sentence that rich prints, readable without colour."""
    scores = evaluation.scores
    low, high = evaluation.accuracy_interval
    f1_low, f1_high = evaluation.f1_macro_interval
    summary = Text(
        f"{scores.rows:,} faces: accuracy {scores.accuracy:.3f} ({low:.3f} to {high:.3f}), "
        f"macro-F1 {scores.f1_macro:.3f} ({f1_low:.3f} to {f1_high:.3f}); "
        f"log loss {evaluation.log_loss:.3f}, calibration error {evaluation.calibration_error:.3f}"
    )
    return Group(_classes(evaluation), _confusion(evaluation), summary)


def _classes(evaluation: Evaluation) -> Table:
    table = Table(title="By class, recall with its 95 % interval", title_justify="left")
    table.add_column("class")
    for name in ("precision", "recall", "95 %", "F1", "faces"):
        table.add_column(name, justify="right")
    for name, one in evaluation.scores.per_class.items():
        low, high = evaluation.recall_intervals[name]
        table.add_row(
            name,
            f"{one.precision:.3f}",
            f"{one.recall:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{one.f1:.3f}",
            f"{one.support:,}",
        )
    return table


def _confusion(evaluation: Evaluation) -> Table:
    names = list(evaluation.scores.per_class)
    table = Table(title="Confusion: true class down, predicted class across", title_justify="left")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right")
    for name, row in zip(names, evaluation.scores.confusion, strict=True):
        table.add_row(name, *(f"{n:,}" for n in row))
    return table
