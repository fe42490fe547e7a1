"""Prove that a model file's answers on a GPU are the CPU's, and measure both.

    bench/gpu/run.sh answers [--model MODEL.onnx] [--faces FACES.npz] [--pictures FILE...]

Without --model, the bundled one. Status 1 if a probability differs by more than `MOST_APART`, or a
label where the CPU is not undecided between the two.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

from fer_fast.recognition import Recognizer
from fer_fast.storage.files import atomic_write
from gpu.rig import PROVIDERS, Row, first_and_warm, random_faces

MOST_APART = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--faces", type=Path, help="an .npz whose `pixels` are real faces")
    parser.add_argument("--pictures", nargs="*", default=[], type=Path)
    parser.add_argument("--device", choices=PROVIDERS, default="cuda")
    parser.add_argument("--out", type=Path, help="write the lines as JSON")
    options = parser.parse_args()
    faces = random_faces(512)
    if options.faces:
        with np.load(options.faces) as arrays:
            faces = arrays["pixels"]
    sides = {
        where: Recognizer(options.model, device=where)
        for where in dict.fromkeys(["cpu", options.device])
    }
    expected, found = (sides[where].probabilities(faces) for where in ("cpu", options.device))
    differ = np.flatnonzero(found.argmax(axis=1) != expected.argmax(axis=1))
    margins = np.diff(np.partition(expected[differ], -2)[:, -2:], axis=1)
    pictures = [
        [[face.label for face in side.predict(path)] for path in options.pictures]
        for side in sides.values()
    ]
    row: Row = {
        "faces": len(faces),
        "max_abs_difference": float(np.abs(found - expected).max()),
        "other_labels": len(differ),
        "largest_margin_of_those": float(margins.max(initial=0)),
        "pictures": pictures[0],
    }
    if (
        not row["max_abs_difference"] <= MOST_APART
        or row["largest_margin_of_those"] > 2 * MOST_APART
        or any(labels != pictures[0] for labels in pictures)
    ):
        row["failed"] = "other answers"
    rows = [row]
    many = np.resize(faces, (4096, *faces.shape[1:]))
    for where, side in sides.items():
        laps = first_and_warm(partial(side.probabilities, many))
        rows.append({"device": where, "faces": len(many), **laps})
    for row in rows:
        print("FAIL" if "failed" in row else "PASS", *(f"{k}={v}" for k, v in row.items()))
    if options.out:
        with atomic_write(options.out) as temporary:
            temporary.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if "failed" in rows[0] else 0


if __name__ == "__main__":
    sys.exit(main())
