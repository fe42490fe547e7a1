"""Time feature extraction on the CPU against Keras and other ways to use ONNX Runtime.

All sides compute MobileNetV2's features at 48 pixels from the same uint8 faces in host memory; that
they agree within 0.001 on every face, where features range from 0 to 6, is checked before anything
is timed. Each is tried at several batch sizes. They take turns, so that what else the machine does
falls on all of them; the ratios are to Keras' predict at its fastest, once by medians and once by
the best lap of each, which the rest of the machine disturbs least.

    python bench/extraction.py [--data fer2013.csv] [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from common import print_table, write_results
from numpy.typing import NDArray

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.environment import available_cpus
from fer_fast.faces.loading import load_faces
from fer_fast.runtime.session import open_session

Faces = NDArray[np.uint8]
Side = Callable[[Faces], NDArray[np.float32]]

TOLERANCE = 1e-3
PREDICT = "keras predict"
BATCHES = (32, 128, 512)


def runtime_alone(model: Path, threads: int, batch: int) -> Side:
    """One ONNX Runtime session with threads of its own, batch after batch."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    runtime = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda faces: np.concatenate(
        [
            runtime.run(None, {"pixels": faces[i : i + batch]})[0]
            for i in range(0, len(faces), batch)
        ]
    )


def keras_sides(weights: Path) -> dict[str, Side]:
    """Return what a user of Keras writes, with and without a traced function."""
    # TensorFlow reads it once, when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    network = keras.applications.MobileNetV2(
        include_top=False, weights=str(weights), input_shape=(48, 48, 3)
    )

    def prepared(faces: Faces) -> NDArray[np.float32]:
        return np.repeat(faces[..., None].astype(np.float32) / 127.5 - 1, 3, axis=-1)

    @tf.function(reduce_retracing=True)
    def traced(images: Any) -> Any:
        return network(images, training=False)

    def predict(faces: Faces, batch: int) -> NDArray[np.float32]:
        grids = network.predict(prepared(faces), batch_size=batch, verbose=0)
        return grids.reshape(len(faces), -1)

    def in_batches(faces: Faces, batch: int) -> NDArray[np.float32]:
        grids = [
            traced(tf.constant(prepared(faces[i : i + batch]))).numpy()
            for i in range(0, len(faces), batch)
        ]
        return np.concatenate(grids).reshape(len(faces), -1)

    return {
        f"{name}, batch {batch}": partial(side, batch=batch)
        for name, side in ((PREDICT, predict), ("tf.function", in_batches))
        for batch in BATCHES
    }


def check_agreement(sides: dict[str, Side], faces: Faces) -> None:
    """Raise `AssertionError` unless all sides compute the same; this warms them up too."""
    (reference, first), *others = sides.items()
    expected = first(faces)
    for name, side in others:
        np.testing.assert_allclose(
            side(faces), expected, rtol=0, atol=TOLERANCE, err_msg=f"{name} against {reference}"
        )


def summarise(laps: dict[str, Sequence[float]], n_faces: int) -> dict[str, dict[str, float]]:
    """Return each side's images per second and how they compare, by medians and by best laps."""
    theirs = [times for name, times in laps.items() if name.startswith(PREDICT)]
    base = {of: min(of(times) for times in theirs) for of in (statistics.median, min)}
    return {
        name: {
            "images_per_s": n_faces / statistics.median(times),
            "ratio": base[statistics.median] / statistics.median(times),
            "ratio_of_best_laps": base[min] / min(times),
            "spread": max(times) / min(times),
        }
        for name, times in laps.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="faces to take (default: drawn ones)")
    parser.add_argument("--weights", type=Path, help="default: as fer-fast finds them")
    parser.add_argument("--quick", action="store_true", help="fewer faces and rounds")
    parser.add_argument("--out", type=Path, help="also write the table as JSON")
    options = parser.parse_args()
    n_faces, rounds = (1024, 3) if options.quick else (8192, 7)

    weights = resolve_weights(options.weights)
    model = cached_model(weights, BackboneConfig())
    session = open_session(model, "cpu")
    cpus = available_cpus()
    sides = keras_sides(weights.path)
    for batch in (16, 32, 64, 128, 512):
        sides[f"fer-fast, {cpus} lanes, batch {batch}"] = partial(
            session.features, batch_size=batch
        )
    for threads in sorted({1, cpus}):
        for batch in BATCHES:
            name = f"onnxruntime, 1 call at a time, {threads} threads, batch {batch}"
            sides[name] = runtime_alone(model, threads, batch)

    faces = np.resize(load_faces(options.data).pixels, (n_faces, 48, 48))
    laps: dict[str, list[float]] = {name: [] for name in sides}
    check_agreement(sides, faces)
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side(faces)
            laps[name].append(time.perf_counter() - start)

    summary = summarise(laps, n_faces)
    print_table(
        f"{n_faces:,} faces, {rounds} rounds",
        ("side", "images/s", "ratio", "of best laps", "slowest lap / fastest"),
        [
            (
                name,
                f"{one['images_per_s']:,.0f}",
                f"{one['ratio']:.2f}",
                f"{one['ratio_of_best_laps']:.2f}",
                f"{one['spread']:.2f}",
            )
            for name, one in summary.items()
        ],
    )
    write_results(
        options,
        {
            "cpus": cpus,
            "faces": n_faces,
            "data": "drawn" if options.data is None else options.data.name,
            "sides": summary,
            "laps_s": laps,
        },
    )


if __name__ == "__main__":
    main()
