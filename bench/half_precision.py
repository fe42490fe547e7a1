"""Measure what half precision costs a forest: accuracy on PublicTest with fp32 and fp16 features.

ONNX Runtime rounds to half between the operators where the CPU has no half arithmetic, so this
needs no GPU. Each forest is fitted and scored on features of one precision; the seeds show how much
of a difference is chance.

    python bench/half_precision.py --data fer2013.csv.gz [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from fer_fast.backbone import BackboneConfig, cached_model, open_session, resolve_weights
from fer_fast.backbone.half import write_half
from fer_fast.datasets import Split, load_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="1,000 training rows, 2 seeds")
    parser.add_argument("--out", type=Path, help="also write the result as JSON")
    options = parser.parse_args()
    n_training, n_seeds = (1000, 2) if options.quick else (28_709, 5)

    dataset = load_dataset(options.data)
    training = dataset.rows(Split.TRAINING)
    training = np.random.default_rng(0).permutation(training)[:n_training]
    test = dataset.rows(Split.PUBLIC_TEST)
    model = cached_model(resolve_weights(), BackboneConfig())
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder, "half.onnx")
        write_half(model, half)
        sessions = {"fp32": open_session(model, "cpu"), "fp16": open_session(half, "cpu")}
        X = {
            precision: [session.features(dataset.pixels[rows]) for rows in (training, test)]
            for precision, session in sessions.items()
        }

    runs = []
    for seed in range(n_seeds):
        predictions = {}
        for precision, (X_training, X_test) in X.items():
            forest = RandomForestClassifier(90, random_state=seed, n_jobs=-1)
            forest.fit(X_training, dataset.labels[training])
            predictions[precision] = forest.predict(X_test)
        run = {name: float(np.mean(p == dataset.labels[test])) for name, p in predictions.items()}
        run["differing"] = float(np.mean(predictions["fp32"] != predictions["fp16"]))
        runs.append(run)
        print(f"seed {seed}: " + "  ".join(f"{name} {value:.4f}" for name, value in run.items()))
    differences = [run["fp16"] - run["fp32"] for run in runs]
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    print(
        f"fp16 - fp32: {100 * mean:+.2f} points, standard deviation {100 * spread:.2f} over seeds"
    )
    if options.out:
        result = {"training_rows": len(training), "test_rows": len(test), "runs": runs}
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
