"""Time the whole experiment against plain Python.

Both sides read the same csv and run the paper's experiment with the same parameters and rows:
faces, MobileNetV2 features, SMOTE, an ant colony with a random-forest fitness, and the final
forest. The plain side is what a competent user of Keras, imbalanced-learn, NumPy and scikit-learn
writes, one ant at a time, each forest on every core; the other is ``fer-fast pipeline`` with an
empty cache.

    python bench/pipeline.py --data fer2013.csv.gz --weights WEIGHTS.h5 --training-rows 4000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from common import write_results


def plain_python(options: argparse.Namespace) -> dict[str, float]:
    """Run the experiment in plain Python; return its seconds per stage and its scores."""
    seconds: dict[str, float] = {}
    last = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[stage], last = now - last, now

    import pandas as pd
    from imblearn.over_sampling import SMOTE
    from keras.applications import MobileNetV2
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_selection import f_classif
    from sklearn.metrics import accuracy_score, f1_score

    from fer_fast.selection.reference import ReferenceColony

    lap("imports")
    table = pd.read_csv(options.data)
    pixels = np.fromstring(" ".join(table["pixels"]), dtype=np.uint8, sep=" ")
    y, usage = table["emotion"].to_numpy(), table["Usage"].to_numpy()
    lap("data")
    network = MobileNetV2(include_top=False, weights=str(options.weights), input_shape=(48, 48, 3))
    images = np.repeat(pixels.reshape(-1, 48, 48, 1).astype(np.float32) / 127.5 - 1, 3, axis=3)
    X = network.predict(images, batch_size=128, verbose=0).reshape(len(images), -1)
    lap("features")
    splits = ("Training", "PublicTest", "PrivateTest")
    training, validation, test = (np.flatnonzero(usage == split) for split in splits)
    F = np.nan_to_num(f_classif(X[training], y[training])[0])
    desirability = np.clip(F / np.quantile(F, 0.99), 0.01, 1)
    X_balanced, y_balanced = SMOTE(random_state=0).fit_resample(X[training], y[training])
    lap("balance")
    colony = ReferenceColony(desirability, n_ants=options.ants, seed=0)
    scores: dict[bytes, float] = {}
    forest = partial(RandomForestClassifier, options.trees, random_state=0, n_jobs=-1)

    def fitness(subset: np.ndarray) -> float:
        key = subset.tobytes()
        if key not in scores:
            fitted = forest().fit(X_balanced[:, subset], y_balanced)
            scores[key] = accuracy_score(y[validation], fitted.predict(X[validation][:, subset]))
        return scores[key]

    for _ in range(options.iterations):
        colony.tell([fitness(subset) for subset in colony.ask()])
    lap("selection")
    assert colony.best is not None
    subset = colony.best.subset
    predicted = forest().fit(X_balanced[:, subset], y_balanced).predict(X[test][:, subset])
    lap("classifier")
    return {
        **seconds,
        "total": sum(seconds.values()),
        "accuracy": accuracy_score(y[test], predicted),
        "f1_macro": f1_score(y[test], predicted, average="macro"),
        "selected": len(subset),
        "evaluations": len(scores),
    }


def fer_fast(options: argparse.Namespace) -> dict[str, float]:
    """Run ``fer-fast pipeline`` with an empty cache; return the same figures."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "fer_fast", "pipeline", "--preset", "paper"),
                *("--data", options.data, "--weights", options.weights, "--out", f"{folder}/out"),
                *("--ants", str(options.ants), "--iterations", str(options.iterations)),
                *("--trees", str(options.trees)),
                # What the plain side does too.
                *("--deposit", "best", "--judged-on", "public-test", "--scoring", "accuracy"),
            ],
            env=os.environ | {"FER_FAST_CACHE": f"{folder}/cache"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        wall = time.perf_counter() - start
        metrics = json.loads(Path(folder, "out", "metrics.json").read_text())
    # The three baselines are a service that the plain side does not offer.
    baselines = metrics["timings_s"].pop("baselines")
    return {
        **metrics["timings_s"],
        "total": wall - baselines,
        "accuracy": metrics["test"]["accuracy"],
        "f1_macro": metrics["test"]["f1_macro"],
        "selected": metrics["features"]["selected"],
        "evaluations": sum(iteration["evaluations"] for iteration in metrics["colony"]["history"]),
    }


SIDES = {"plain": plain_python, "fer-fast": fer_fast}


def subsampled_csv(data: Path, training_rows: int, out: Path) -> None:
    """Write a csv with a stratified part of the Training rows and all the others."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    table = pd.read_csv(data)
    training = table[table["Usage"] == "Training"]
    if training_rows:
        training, _ = train_test_split(
            training, train_size=training_rows, stratify=training["emotion"], random_state=0
        )
    rest = table[table["Usage"] != "Training"]
    pd.concat([training.sort_index(), rest]).to_csv(out, index=False)


def main() -> None:
    """Run both sides in turn, and print and write what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--training-rows", type=int, default=4000, help="0 for all")
    parser.add_argument("--ants", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--trees", type=int, default=90)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=SIDES, help="run one side alone")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--run", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(SIDES[options.run](options)))
        return

    runs = in_turn(options)
    medians = medians_of(runs)
    for side, figures in medians.items():
        print(f"\n{side}")
        for key, value in figures.items():
            print(f"  {key:<12}{value:10.3f}")
    if len(medians) == 2:
        print(f"\nplain / fer-fast: {medians['plain']['total'] / medians['fer-fast']['total']:.1f}")
    write_results(
        options,
        {
            "training_rows": options.training_rows or "all",
            "ants": options.ants,
            "iterations": options.iterations,
            "trees": options.trees,
            "runs": runs,
            "medians": medians,
        },
    )


def in_turn(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each side's runs, every one from a process of its own."""
    sides = [options.only] if options.only else list(SIDES)
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder, "faces.csv")
        subsampled_csv(options.data, options.training_rows, csv)
        for _ in range(options.repeats):
            for side in sides:
                command = [sys.executable, __file__, "--run", side, "--data", csv]
                command += ["--weights", options.weights, "--ants", str(options.ants)]
                command += ["--iterations", str(options.iterations), "--trees", str(options.trees)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                runs[side].append(json.loads(done.stdout.splitlines()[-1]))
                print(side, json.dumps(runs[side][-1]), flush=True)
    return runs


def medians_of(runs: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median over each side's runs of each figure."""
    return {
        side: {key: float(np.median([run[key] for run in of_side])) for key in of_side[0]}
        for side, of_side in runs.items()
    }


if __name__ == "__main__":
    main()
