"""The tables of `blends.py`, from the choices that it keeps."""

from __future__ import annotations

import numpy as np
from common import interval
from evidence_summary import Runs
from matrices_summary import heading, signed

RESIDUAL = "residual"
"""The method that the others are held against."""


def show(runs: Runs) -> None:
    """Print in Markdown what each rule for the weight gains over the residual."""
    parts = list(dict.fromkeys(run["part"] for run in runs))
    heads = [heading([run for run in runs if run["part"] == part]) for part in parts]
    print("\nAccuracy by the residual, %, and what other credit gains over it, points\n")
    print(f"| credit | {' | '.join(heads)} |\n|{' --- |' * (1 + len(parts))}")
    for method in dict.fromkeys(run["method"] for run in runs):
        print(f"| {method} | {' | '.join(cell(runs, part, method) for part in parts)} |")


def cell(runs: Runs, part: str, method: str) -> str:
    of_residual, own = (
        {r["seed"]: 100 * r["accuracy"] for r in runs if (r["part"], r["method"]) == (part, one)}
        for one in (RESIDUAL, method)
    )
    if method == RESIDUAL:
        mean, half = interval(list(own.values()))
        return f"{mean:.1f} ± {half:.1f}"
    gains = [accuracy - of_residual[seed] for seed, accuracy in own.items()]
    if not np.any(gains):
        return "0"
    mean, half = interval(gains)
    return f"{signed(mean)} ± {half:.1f}"
