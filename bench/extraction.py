"""Time feature extraction on the CPU against Keras and other ways to use ONNX Runtime.

All sides compute MobileNetV2's features at 48 pixels from the same uint8 faces in host memory; that
they agree within 0.001, where features range from 0 to 6, is checked before anything is timed. They
take turns, so that what else the machine does falls on all of them; the ratio is to Keras' predict.

    python bench/extraction.py [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.environment import available_cpus
from fer_fast.runtime.session import open_session

Faces = NDArray[np.uint8]
Side = Callable[[Faces], NDArray[np.float32]]

TOLERANCE = 1e-3


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

    def predict(faces: Faces) -> NDArray[np.float32]:
        grids = network.predict(prepared(faces), batch_size=128, verbose=0)
        return grids.reshape(len(faces), -1)

    def in_batches(faces: Faces) -> NDArray[np.float32]:
        grids = [
            traced(tf.constant(prepared(faces[i : i + 128]))).numpy()
            for i in range(0, len(faces), 128)
        ]
        return np.concatenate(grids).reshape(len(faces), -1)

    return {"keras predict, batch 128": predict, "tf.function, batch 128": in_batches}


def check_agreement(sides: dict[str, Side], faces: Faces) -> None:
    """Raise `AssertionError` unless all sides compute the same; this warms them up too."""
    (reference, first), *others = sides.items()
    expected = first(faces)
    for name, side in others:
        np.testing.assert_allclose(
            side(faces), expected, rtol=0, atol=TOLERANCE, err_msg=f"{name} against {reference}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
        sides[f"fer-fast, {cpus} lanes, batch {batch}"] = lambda faces, b=batch: session.features(
            faces, batch_size=b
        )
    for threads in sorted({1, cpus}):
        name = f"onnxruntime, 1 call at a time, {threads} threads, batch 128"
        sides[name] = runtime_alone(model, threads, 128)

    faces = np.random.default_rng(0).integers(0, 256, (n_faces, 48, 48), dtype=np.uint8)
    laps: dict[str, list[float]] = {name: [] for name in sides}
    check_agreement(sides, faces[:256])
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side(faces)
            laps[name].append(time.perf_counter() - start)

    speeds = {name: n_faces / statistics.median(times) for name, times in laps.items()}
    base = speeds["keras predict, batch 128"]
    print(f"{'':58} images/s   ratio")
    for name, speed in speeds.items():
        print(f"{name:58} {speed:8,.0f}  {speed / base:6.2f}")
    if options.out:
        result = {"cpus": cpus, "faces": n_faces, "images_per_s": speeds, "laps_s": laps}
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
