"""Measure what half precision costs a forest: accuracy on PublicTest with fp32 and fp16 features.

ONNX Runtime rounds to half between the operators where the CPU has no half arithmetic, so this
needs no GPU. A forest is fitted and scored on features of one precision. The smallest change of a
feature makes it another forest, as another seed does: only the mean over many seeds tells more than
chance.

    python bench/half_precision.py --data fer2013.csv.gz [--weights FILE] [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import cosines, interval, write_results

from fer_fast import ForestFitness
from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.faces.dataset import Split
from fer_fast.faces.loading import load_faces
from fer_fast.graph.fp16 import half_precision
from fer_fast.runtime.session import open_session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="default: as fer-fast finds them")
    parser.add_argument("--quick", action="store_true", help="1,000 training rows, 4 seeds")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    options = parser.parse_args()
    n_training, n_seeds = (1000, 4) if options.quick else (28_709, 64)

    dataset = load_faces(options.data)
    training = dataset.rows(Split.TRAINING)
    training = np.random.default_rng(0).permutation(training)[:n_training]
    test = dataset.rows(Split.PUBLIC_TEST)
    model = cached_model(resolve_weights(options.weights), BackboneConfig())
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder, "half.onnx")
        half.write_bytes(half_precision(model))
        sessions = {"fp32": open_session(model, "cpu"), "fp16": open_session(half, "cpu")}
        X = {
            precision: [session.features(dataset.pixels[rows]) for rows in (training, test)]
            for precision, session in sessions.items()
        }

    y_training, y_test = dataset.labels[training], dataset.labels[test]
    judges = {
        precision: ForestFitness(
            X_training, y_training, X_test, y_test, scoring="accuracy", n_jobs=-1
        )
        for precision, (X_training, X_test) in X.items()
    }
    accuracy: dict[str, list[float]] = {precision: [] for precision in X}
    for seed in range(n_seeds):
        for precision, judge in judges.items():
            judge.random_state = seed
            accuracy[precision].append(judge(np.arange(judge.n_features)))
        print(f"seed {seed}: " + "  ".join(f"{name} {a[-1]:.4f}" for name, a in accuracy.items()))
    pairs = zip(accuracy["fp16"], accuracy["fp32"], strict=True)
    differences = [100 * (half - full) for half, full in pairs]
    mean, margin = interval(differences)
    low, high = mean - margin, mean + margin
    least = min(
        float(cosines(full, half).min()) for full, half in zip(X["fp32"], X["fp16"], strict=True)
    )
    print(f"fp16 - fp32: {mean:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f} over seeds")
    print(f"least cosine of a face's two feature vectors: {least:.5f}")
    write_results(
        options,
        {
            "training_rows": len(training),
            "test_rows": len(test),
            "accuracy": accuracy,
            "difference_points": mean,
            "interval_95_points": [low, high],
            "min_cosine": least,
        },
    )


if __name__ == "__main__":
    main()
