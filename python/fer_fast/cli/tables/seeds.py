"""What runs of several seeds say together, for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from fer_fast.runs.compare import METHODS, Mean, summarise_seeds

_ROWS = {"test": "all", "test_deduplicated": "own"}
_MEASURES = {"accuracy": "accuracy", "f1_macro": "macro-F1"}


def seeds_table(documents: Sequence[dict[str, Any]]) -> Table:
    """Return means over seeds with their 95 % intervals.

    Parameters
    ----------
    documents : sequence of dict
        The document of ``metrics.json`` of each seed.
    """
    table = Table(
        title=f"{len(documents)} seeds: mean ± half of the 95 % interval (Student's t)",
        title_justify="left",
        title_style="bold",
        header_style="bold",
        caption="own: rows whose image stands in no other split",
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


def seeds_document(documents: Sequence[dict[str, Any]]) -> str:
    """Return the same as JSON, each seed's metrics included."""
    summaries = [asdict(one) for one in summarise_seeds(documents)]
    return json.dumps({"summary": summaries, "runs": list(documents)}, indent=2) + "\n"


def _shown(mean: Mean, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{mean.mean:{sign}.4f} ± {mean.half_width:.4f}"
