"""What runs of several seeds say together, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from fer_fast.runs.compare import METHODS, Mean, summarise_seeds

_ROWS = {"test": "all", "test_deduplicated": "own"}
_MEASURES = {"accuracy": "accuracy", "f1_macro": "macro-F1"}


def seeds_table(documents: Sequence[dict[str, Any]], stability: float | None) -> Table:
    """Return means over seeds with their 95 % intervals.

    Parameters
    ----------
    documents : sequence of dict
        The document of ``metrics.json`` of each seed.
    stability : float or None
        Of the selections; None where none can be said.
    """
    caption = "own: rows whose image stands in no other split"
    if stability is not None:
        caption += f"\nstability of the selections, 1 the same and 0 chance: {stability:.3f}"
    table = Table(
        title=f"{len(documents)} seeds: mean ± half of the 95 % interval (Student's t)",
        title_justify="left",
        title_style="bold",
        header_style="bold",
        caption=caption,
        caption_justify="left",
    )
    for position, column in enumerate(("features", "rows", "measure", "score", "ants ahead by")):
        table.add_column(column, justify="left" if position == 0 else "right")
    for one in summarise_seeds(documents):
        ahead = "" if one.method == "chosen" else _shown(one.ahead, signed=True)
        table.add_row(
            METHODS[one.method],
            _ROWS[one.rows],
            _MEASURES[one.measure],
            _shown(one.score),
            ahead,
        )
    return table


def _shown(mean: Mean, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{mean.mean:{sign}.4f} ± {mean.half_width:.4f}"
