"""The tables of `matrices.py`, from the choices that it keeps."""

from __future__ import annotations

import numpy as np
from common import interval
from evidence_summary import Runs, compare, holm, is_ants

SURE = 0.05
"""Holm's p below which a difference is marked."""


def show(runs: Runs) -> None:
    """Print in Markdown what the methods are worth, what they found, and what chance gives."""
    real = [run for run in runs if run["part"] != "permuted"]
    if real:
        show_accuracies(real)
        show_found([run for run in real if run["found"] is not None])
    if permuted := [run for run in runs if run["part"] == "permuted"]:
        show_permuted(permuted)


def show_accuracies(runs: Runs) -> None:
    comparisons = list(compare(runs))
    holm(comparisons)
    by_key = {(one["part"], one["method"]): one for one in comparisons}
    parts = list(dict.fromkeys(run["part"] for run in runs))
    print("\nAccuracy of the ants, %, and the ants minus each other choice, points\n")
    heads = [heading([run for run in runs if run["part"] == part]) for part in parts]
    print(f"| chosen by | {' | '.join(heads)} |\n|{' --- |' * (1 + len(parts))}")
    for method in dict.fromkeys(run["method"] for run in runs):
        cells = []
        for part in parts:
            one = by_key.get((part, method))
            own = [run for run in runs if (run["part"], run["method"]) == (part, method)]
            if one is not None:
                sure = "\\*" if one["holm"] < SURE else ""
                kept = np.mean([run["n_kept"] for run in own])
                size = (
                    f", k = {kept:.0f}" if kept not in (own[0]["k"], own[0]["n_features"]) else ""
                )
                cells.append(f"{signed(one['gain'])} ± {one['half']:.1f}{sure}{size}")
            elif own and is_ants(own[0]):
                mean, half = interval([100 * run["accuracy"] for run in own])
                cells.append(f"{mean:.1f} ± {half:.1f}")
            else:
                cells.append("")
        print(f"| {method} | {' | '.join(cells)} |")
    print(f"\n{len(comparisons)} comparisons; a star stands where Holm's p is below {SURE}.")


def heading(runs: Runs) -> str:
    return f"{runs[0]['part']}, {runs[0]['k']} of {runs[0]['n_features']:,}"


def show_found(runs: Runs) -> None:
    """Print how many of what matters the choices show, and in how many seeds they show all."""
    parts = list(dict.fromkeys(run["part"] for run in runs))
    print("\nOf what matters the choice shows; in brackets the seeds in which it shows all\n")
    totals = {
        part: max(run["found"] for run in runs if (run["part"], run["method"]) == (part, "all"))
        for part in parts
    }
    heads = [f"{part}, of {totals[part]}" for part in parts]
    print(f"| chosen by | {' | '.join(heads)} |\n|{' --- |' * (1 + len(parts))}")
    for method in dict.fromkeys(run["method"] for run in runs if run["method"] != "all"):
        cells = []
        for part in parts:
            found = [r["found"] for r in runs if (r["part"], r["method"]) == (part, method)]
            complete = sum(one == totals[part] for one in found)
            cells.append(f"{np.mean(found):.1f} ({complete} of {len(found)})" if found else "")
        print(f"| {method} | {' | '.join(cells)} |")


def show_permuted(runs: Runs) -> None:
    print("\nPermuted labels: balanced accuracy minus chance, points\n")
    matrices = list(dict.fromkeys(run["matrix"] for run in runs))
    print(f"| columns chosen | {' | '.join(matrices)} |\n|{' --- |' * (1 + len(matrices))}")
    for method in dict.fromkeys(run["method"] for run in runs):
        cells = []
        for matrix in matrices:
            own = [run for run in runs if (run["matrix"], run["method"]) == (matrix, method)]
            gains = [100 * (run["balanced_accuracy"] - run["chance"]) for run in own]
            mean, half = interval(gains)
            cells.append(f"{signed(mean)} ± {half:.1f}")
        print(f"| {method} | {' | '.join(cells)} |")


def signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
