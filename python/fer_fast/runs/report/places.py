"""Where on the face, and among the channels, the chosen features and the pheromone are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.runs.record import RunRecord
from fer_fast.runs.report import svg
from fer_fast.runs.report.figures import figure, table

_GROUPS = 10
"""Of channels, by the pheromone that they have."""


def places(run: RunRecord) -> str:
    """Return what was chosen, and where pheromone lies, over the grid and among the channels."""
    features = run.metrics["features"]
    channels = features.get("channels")
    if not channels or features["total"] % channels:
        return ""
    chosen = np.zeros(features["total"])
    chosen[run.subset] = 1
    chosen = chosen.reshape(-1, channels)
    pheromone = _pheromone(run, chosen.shape)
    parts = []
    side = math.isqrt(len(chosen))
    if side * side == len(chosen) > 1:
        said = f"cell of the backbone's {side} × {side} grid over the face"
        counts = chosen.sum(axis=1).astype(int).reshape(side, side)
        parts.append(
            _grid(counts, f"Features chosen in each {said}, of {channels:,} channels", "{:,}")
        )
        if pheromone is not None:
            means = pheromone.mean(axis=1).reshape(side, side)
            caption = (
                f"Mean pheromone at the end of the search in each {said}, shaded from the least"
            )
            parts.append(_grid(means, caption, "{:.2f}"))
    parts.append(_by_cells(chosen))
    if pheromone is not None:
        parts.append(_by_pheromone(chosen, pheromone))
    return f'<div class="plots">{"".join(parts)}</div>'


def _pheromone(run: RunRecord, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
    """Return the pheromone of each channel in each cell; None for a run that has not kept it."""
    kept = run.metrics["colony"].get("pheromone")
    return None if kept is None else np.array(kept, np.float64).reshape(shape)


def _grid(values: NDArray[Any], caption: str, form: str) -> str:
    side = len(values)
    low = 0 if values.dtype.kind == "i" else values.min()
    shares = (values - low) / ((values.max() - low) or 1)
    shown = [[form.format(value) for value in row] for row in values.tolist()]
    head = ("row", *(f"column {number + 1}" for number in range(side)))
    rows = [(number + 1, *row) for number, row in enumerate(shown)]
    return figure(svg.cells(shares.tolist(), shown, caption), caption, table(head, rows))


def _by_cells(chosen: NDArray[np.float64]) -> str:
    of_channel = chosen.sum(axis=0).astype(int)
    counts = np.bincount(of_channel, minlength=len(chosen) + 1)
    rows = [(f"{n} cells", (count,)) for n, count in enumerate(counts.tolist()) if count][:18]
    caption = "Channels by the number of cells in which they were chosen"
    plot = svg.bars(rows, ("main",), caption, "channels")
    numbers = [(label, f"{values[0]:,}") for label, values in rows]
    return figure(plot, caption, table(("chosen in", "channels"), numbers))


def _by_pheromone(chosen: NDArray[np.float64], pheromone: NDArray[np.float64]) -> str:
    """Return how far selection follows pheromone, channel by channel."""
    means, shares = pheromone.mean(axis=0), chosen.mean(axis=0)
    groups = np.array_split(np.argsort(-means, kind="stable"), min(_GROUPS, len(means)))
    rows = [
        (
            f"{'top' if place == 0 else ordinal(place + 1)} {_group_name(len(groups))}",
            (float(means[group].mean()), float(shares[group].mean())),
        )
        for place, group in enumerate(groups)
    ]
    caption = (
        "Channels from most to least pheromone: the mean of it at the end of the search, and the "
        "share of their features that was chosen"
    )
    plot = svg.bars(rows, ("other", "main"), caption, "0 to 1", high=1.0, form="{:.2f}")
    key = svg.legend([("pheromone", "other"), ("chosen", "main")])
    numbers = [(name, f"{one:.3f}", f"{other:.3f}") for name, (one, other) in rows]
    return figure(plot + key, caption, table(("channels", "pheromone", "chosen"), numbers))


def ordinal(number: int) -> str:
    """Return a number as the word for a place, such as 2nd."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def _group_name(n_groups: int) -> str:
    return "tenth" if n_groups == _GROUPS else "channel"
