"""Time a CPU's lanes at several batch sizes, for several sizes of the backbone's input.

Each of as many lanes as there are CPUs computes a batch alone. What a lane touches of a face grows
with the input, so that the batch which stays in its cache shrinks; the session's own choice is told
apart. Batch sizes take turns.

    python bench/batch_size.py [--weights WEIGHTS] [--sizes SIZE ...] [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import median, print_table, write_results

from fer_fast.features import frozen_model, open_model
from fer_fast.settings import PRESETS, Settings

BATCHES = (1, 2, 4, 8, 16, 32, 64)

TAPPED: dict[str, Any] = {name: PRESETS["best"][name] for name in ("taps", "pooling")}
"""What the preset `best` reads of the backbone; 48 pixels have the paper's features."""


def time_batches(options: argparse.Namespace, size: int) -> dict[str, Any]:
    """Return faces a second by batch size, and the batch size that the session takes itself."""
    settings = Settings(
        size=size, weights=options.weights, device="cpu", **({} if size == 48 else TAPPED)
    )
    session = open_model(frozen_model(settings), settings)
    n = max(128, (1024 if options.quick else 8192) * 48**2 // size**2 // 128 * 128)
    faces = np.random.default_rng(0).integers(0, 256, (n, 48, 48), dtype=np.uint8)
    laps: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for batch in BATCHES:
        session.features(faces[: 4 * batch], batch_size=batch)
    for _ in range(3 if options.quick else 7):
        for batch in BATCHES:
            start = time.perf_counter()
            session.features(faces, batch_size=batch)
            laps[batch].append(time.perf_counter() - start)
    return {
        "size": size,
        "faces": n,
        "own_choice": session.plan.batch_size,
        "faces_per_s": {batch: n / median(times) for batch, times in laps.items()},
        "laps_s": laps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="default: as fer-fast finds them")
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 96, 128, 160, 224])
    parser.add_argument("--quick", action="store_true", help="fewer faces and rounds")
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    options = parser.parse_args()
    measured = [time_batches(options, size) for size in options.sizes]
    print_table(
        "Faces a second",
        ("pixels", "faces", "own choice", *(f"batch {batch}" for batch in BATCHES)),
        [
            (
                *(str(one["size"]), f"{one['faces']:,}", str(one["own_choice"])),
                *(f"{rate:,.0f}" for rate in one["faces_per_s"].values()),
            )
            for one in measured
        ],
    )
    write_results(options, {"measured": measured})


if __name__ == "__main__":
    main()
