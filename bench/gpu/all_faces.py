"""Compare the features of CUDA, from the cache if they are there, with the CPU's, over a data set.

python all_faces.py FACES MODEL.onnx
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from fer_fast.faces.loading import load_faces
from fer_fast.features import cached_features
from fer_fast.runtime.session import open_session

MOST_APART, LEAST_COSINE = 1e-3, 0.99999


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    faces = load_faces(options.faces)
    found = cached_features(open_session(options.model, "cuda"), faces)
    start = time.perf_counter()
    expected = open_session(options.model, "cpu").features(faces.pixels)
    seconds = time.perf_counter() - start
    apart = float(np.abs(found - expected).max())
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = float((np.einsum("ij,ij->i", found, expected) / norms).min())
    good = apart <= MOST_APART and cosine >= LEAST_COSINE
    print(
        f"{'PASS' if good else 'FAIL'}: {len(faces):,} faces, largest difference {apart:.3g}, "
        f"least cosine {cosine:.7f}; the CPU took {seconds:.2f} s"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
