"""The audit of a data set and of protocols, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from fer_fast.faces.dataset import SPLIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fer_fast.audit.integrity import Integrity
    from fer_fast.audit.protocols import Protocol
    from fer_fast.faces.ferplus import SecondOpinion


def integrity_table(integrity: Integrity, opinion: SecondOpinion | None) -> Table:
    """Return the counts of what is wrong inside the data set."""
    table = Table(title="Integrity", title_justify="left", title_style="bold", header_style="bold")
    table.add_column("of the faces")
    table.add_column("count", justify="right")
    table.add_row("all", f"{integrity.faces:,}")
    table.add_row("redundant: their exact image came before", f"{integrity.redundant:,}")
    for split, name in SPLIT_NAMES.items():
        table.add_row(f"in {name}, exact image in another split", f"{integrity.shared[split]:,}")
    table.add_row("with a near duplicate, exact ones aside", f"{integrity.near:,}")
    for split, name in SPLIT_NAMES.items():
        count = integrity.near_shared[split]
        table.add_row(f"in {name}, near duplicate in another split", f"{count:,}")
    table.add_row(
        f"labelled differently elsewhere ({integrity.conflicting_images:,} images)",
        f"{integrity.conflicting:,}",
    )
    table.add_row("blank", f"{integrity.blank:,}")
    if opinion is not None:
        share = opinion.disagreeing / max(opinion.judged, 1)
        table.add_row("judged by FER+", f"{opinion.judged:,}")
        table.add_row(
            f"whose label FER+ contradicts ({share:.1%} of them)", f"{opinion.disagreeing:,}"
        )
        table.add_row("that FER+ takes for contempt or unknown", f"{opinion.other:,}")
        table.add_row("on which FER+ is undecided", f"{opinion.undecided:,}")
        table.add_row("that are no face to FER+", f"{opinion.no_face:,}")
    return table


def protocol_table(protocols: Sequence[Protocol]) -> Table:
    """Return the scores of the same forest under each protocol, with its verdict."""
    table = Table(
        title="The same features and forest, four ways to test",
        title_justify="left",
        title_style="bold",
        header_style="bold",
        show_lines=True,
    )
    table.add_column("protocol")
    for column in ("accuracy", "weighted F1", "macro-F1"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for protocol in protocols:
        scores = protocol.scores
        figures = (scores.accuracy, scores.f1_weighted, scores.f1_macro)
        table.add_row(protocol.name, *(f"{figure:.3f}" for figure in figures), protocol.verdict)
    return table
