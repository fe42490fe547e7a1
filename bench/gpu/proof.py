"""Prove that features on a GPU are the CPU's, and that all of a model runs there.

A line for each model, kind of faces and precision, and one for the nodes: PASS, or FAIL and status
1. Two batch sizes, one of them twice; each face must have features of its own: the same ones
everywhere would mean that a batch was computed from another's pixels.

    bench/gpu/run.sh proof MODEL.onnx... [--faces FACES.npz] [--out FILE]

--device cpu tries the proof itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import cosines
from numpy.typing import NDArray

from fer_fast.runtime.cuda import require_cuda
from fer_fast.runtime.session import open_session
from fer_fast.settings import Precision
from fer_fast.storage.files import atomic_write
from gpu.rig import PROVIDERS, Faces, Row, attempt, load, precisions_of, random_faces


class Bounds(NamedTuple):
    """How far features may be from the CPU's."""

    most_apart: float | None
    """Largest difference of a feature; None: any."""

    least_cosine: float
    """Of a face's features and the CPU's."""

    most_relative: float
    """Norm of all differences, over that of all features."""


# Rounding of fp32 alone, and room for what tf32 and fp16 round: these two turn a face's features
# a little, and a single one of 5,120 may differ by 2.
BOUNDS: dict[tuple[Precision, str], Bounds] = {
    ("fp32", "random"): Bounds(1e-3, 0.99999, 1e-4),
    ("fp32", "real"): Bounds(1e-3, 0.99999, 1e-4),
    ("tf32", "random"): Bounds(None, 0.97, 0.08),
    ("tf32", "real"): Bounds(None, 0.99, 0.05),
    ("fp16", "random"): Bounds(None, 0.985, 0.06),
    ("fp16", "real"): Bounds(None, 0.995, 0.03),
}


def compare(found: list[NDArray[np.float32]], expected: NDArray[np.float32], bounds: Bounds) -> Row:
    """Return how far features are from those expected, and `failed` if it is too far."""
    apart = max(float(np.abs(one - expected).max()) for one in found)
    cosine = min(float(cosines(one, expected).min()) for one in found)
    relative = max(float(np.linalg.norm(one - expected)) for one in found)
    relative /= float(np.linalg.norm(expected))
    distinct = [len(np.unique(X.round(2), axis=0)) for X in (found[0], expected)]
    row: Row = {
        "max_abs_difference": apart,
        "min_cosine": cosine,
        "relative": relative,
        "own_features": distinct[0] >= 0.9 * distinct[1],
        "repeatable": bool(np.array_equal(found[-1], found[-2])),
    }
    good = (
        row["own_features"]
        and (bounds.most_apart is None or apart <= bounds.most_apart)
        and cosine >= bounds.least_cosine
        and relative <= bounds.most_relative
    )
    return row if good else row | {"failed": f"beyond {bounds}"}


def product_agreement(
    model: Path, device: str, precision: Precision, kind: str, faces: Faces
) -> Row:
    """Compare the product's features on a device with those on the CPU."""
    expected = open_session(model, "cpu").features(faces)
    session = open_session(model, device, precision=precision)
    found = [session.features(faces, batch_size=size) for size in (None, 7, 7)]
    return compare(found, expected, BOUNDS[precision, kind])


def placement(model: Path, device: str, precision: Precision) -> Row:
    """Ask ONNX Runtime's profiler where each node ran."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = load(model, precision, device, profile=Path(folder, "profile"))
        runtime.run(None, {"pixels": random_faces(8)})
        events = json.loads(Path(runtime.end_profiling()).read_text())
    placed = [
        (event["name"], event["args"]["provider"])
        for event in events
        if event["cat"] == "Node" and event["args"].get("provider")
    ]
    elsewhere = [name for name, where in placed if where != PROVIDERS[device]]
    row: Row = {"nodes": len(placed), "nodes_elsewhere": elsewhere}
    return row if placed and not elsewhere else row | {"failed": "not all of it ran there"}


def proofs(models: list[Path], device: str, kinds: dict[str, Faces]) -> Iterator[Row]:
    for model in models:
        for precision in precisions_of(device):
            row = {"model": model.name[:20], "precision": precision}
            for kind, faces in kinds.items():
                agree = partial(product_agreement, model, device, precision, kind, faces)
                yield attempt(row | {"faces": kind}, agree)
            yield attempt(row, partial(placement, model, device, precision))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--faces", type=Path, help="an .npz whose `pixels` are real faces")
    parser.add_argument("--device", choices=PROVIDERS, default="cuda")
    parser.add_argument("--out", type=Path, help="write the lines as JSON")
    options = parser.parse_args()
    print("device:", require_cuda() if options.device == "cuda" else "cpu", flush=True)
    kinds = {"random": random_faces(42)}
    if options.faces:
        with np.load(options.faces) as arrays:
            kinds["real"] = arrays["pixels"]
    rows: list[Row] = []
    for row in proofs(options.models, options.device, kinds):
        rows.append(row)
        print(
            "FAIL" if "failed" in row else "PASS", *(f"{k}={v}" for k, v in row.items()), flush=True
        )
        if options.out:
            with atomic_write(options.out) as temporary:
                temporary.write_text(json.dumps(rows, indent=1) + "\n")
    n_failed = sum("failed" in row for row in rows)
    print(f"RESULT: {'FAIL' if n_failed else 'PASS'} ({n_failed} of {len(rows)} failed)")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
