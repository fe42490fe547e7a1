"""Which part of a run saturates first, by the formulas of docs/scale.md and the measured rates.

A part that hands out a share s of a second for each unit of work keeps up with 1 / (s × rate)
workers of that rate. The rates are those of the committed results: faces a second and core
(extraction.json), core seconds of one evaluation (fitness.json), and seconds of the process that
asks, for each evaluation (scale-workers.json).

    python bench/scale_limits.py [--faces 100000000] [--workers 1000]
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from common import print_table

RESULTS = Path(__file__).parent / "results"
PIXEL_BYTES, CELL_BYTES, SHARE_BYTES, INDEX_BYTES = 48 * 48, 4, 8, 8
CLASSES = 7
TRAINING = 0.8
FOREST_ROWS = 2**25
"""What a forest of at most eight classes takes."""

ITERATIONS, ANTS = 3, 20


def read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text())


def face_rate() -> float:
    """Return the faces that a core turns into features in a second, at 48 pixels."""
    return float(read("extraction.json")["images_per_s"]["fer-fast, 2 lanes, batch 32"]) / 2


def evaluation_seconds(rows: float, k: float) -> float:
    """Return the core seconds of an evaluation of 90 trees: by n log n in rows, √k in columns."""
    (measured,) = {
        (m["rows"], m["features"]): m["seconds"]
        for m in read("fitness.json")["growth"]
        if (m["rows"], m["features"], m["trees"]) == (50_000, 2560, 90)
    }.items()
    (n, of), seconds = measured
    return float(2 * seconds * (rows * math.log(rows)) / (n * math.log(n)) * math.sqrt(k / of))


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h"


def extraction(faces: int, workers: int) -> None:
    c = face_rate()
    rows = []
    for features in (128, 5_120):
        through = PIXEL_BYTES + CELL_BYTES * features
        for name, speed, each in (
            ("through one process, 1 Gbit/s", 125e6, through),
            ("through one process, 10 Gbit/s", 1.25e9, through),
            ("parts, a shared disk of 2 GB/s", 2e9, CELL_BYTES * features),
        ):
            most = speed / (c * each)
            seconds = faces / (c * min(workers, most))
            total = f"{faces * each / 1e12:,.2f} TB"
            rows.append((f"{features:,}", name, shown(most), total, hours(seconds)))
    print_table(
        f"extraction of {faces:,} faces: {c:,.0f} faces a second and core, {workers:,} workers",
        ("features", "by way of", "workers it feeds", "bytes", "time"),
        rows,
    )


def search(faces: int, workers: int, overhead: float) -> None:
    rows = []
    largest = min(FOREST_ROWS, int(TRAINING * faces))
    for judged in (5_000, 500_000, largest):
        k, features = 512, 5_120
        seconds = evaluation_seconds(judged, k)
        shares = SHARE_BYTES * CLASSES * judged
        indices = 2 * INDEX_BYTES * k + 1000
        for credit, each in (("residual", shares + indices), ("gain", indices)):
            network = 125e6 * seconds / each
            asking = seconds / overhead
            useful = min(network, asking, ANTS, workers)
            rows.append(
                (
                    f"{judged:,}",
                    credit,
                    f"{judged * features / 1e9:,.2f} GB",
                    f"{seconds:,.1f} s",
                    shown(asking),
                    shown(network),
                    hours(ITERATIONS * ANTS * seconds / useful),
                )
            )
    print_table(
        f"a search: {ANTS} ants × {ITERATIONS}, k = 512 of 5,120, 90 trees, one core an evaluation",
        (
            "rows judged",
            "credit",
            "a worker holds",
            "an evaluation",
            "asking feeds",
            "1 Gbit/s feeds",
            f"time of {ANTS} workers at most",
        ),
        rows,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=10**8)
    parser.add_argument("--workers", type=int, default=1_000)
    options = parser.parse_args()
    extraction(options.faces, options.workers)
    overhead = read("scale-workers.json")["overhead_s"]["Dask"]
    search(options.faces, options.workers, overhead)
    print(
        f"\na forest takes {FOREST_ROWS:,} rows, and Training has {int(TRAINING * options.faces):,}"
    )


if __name__ == "__main__":
    main()
