"""What the card could do, by the bytes and the arithmetic of the convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import onnx
from onnx import TensorProto, shape_inference

from fer_fast.graph.fp16 import cached_half
from gpu.rig import ROOFLINE_BATCH, Row, Run, seconds_per_call


def card(run: Run) -> Iterator[Row]:
    """Measure the card: bytes/s of a device-to-device copy, operations/s of a matrix product."""
    import torch

    def waited(work: Callable[[], object]) -> float:
        def call() -> None:
            work()
            torch.cuda.synchronize()

        return seconds_per_call(call)

    source = torch.randn(2**29, device="cuda")
    copy_s = waited(partial(torch.empty_like(source).copy_, source))
    yield {"what": "copy", "bytes_per_s": 2 * source.nbytes / copy_s}
    side = 8192
    for precision in run.precisions:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        dtype = torch.float16 if precision == "fp16" else torch.float32
        a = torch.randn(side, side, device="cuda", dtype=dtype)
        yield {"what": precision, "ops_per_s": 2 * side**3 / waited(partial(torch.matmul, a, a))}


def convolution_cost(model: Path) -> dict[str, dict[str, int]]:
    """Count a model's convolutions, apart for those in fp32 and in fp16.

    Each reads its input and its weights and writes its output once; everything else could be fused
    into one. Multiply-adds and activations are those of one image, weights those of a batch.
    """
    graph = shape_inference.infer_shapes(onnx.load(model)).graph
    tensors = {
        value.name: value.type.tensor_type
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    kernels = {constant.name: math.prod(constant.dims) for constant in graph.initializer}
    cost: dict[str, dict[str, int]] = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        # Without its first dimension, the batch.
        read, written = (
            math.prod(dim.dim_value for dim in tensors[name].shape.dim[1:])
            for name in (node.input[0], node.output[0])
        )
        channels = tensors[node.output[0]].shape.dim[1].dim_value
        kernel = kernels[node.input[1]]
        half = tensors[node.output[0]].elem_type == TensorProto.FLOAT16
        size = 2 if half else 4
        counts = cost.setdefault(
            "fp16" if half else "fp32", {"macs": 0, "activation_bytes": 0, "weight_bytes": 0}
        )
        counts["macs"] += written * kernel // channels
        counts["activation_bytes"] += size * (read + written)
        counts["weight_bytes"] += size * kernel
    return cost


def roofline(run: Run) -> Iterator[Row]:
    """Set device buffers against the larger of two times: of the bytes, and of the arithmetic.

    The bytes of `convolution_cost` move at the speed of a copy in the card's memory. This is no
    bound: what stays in the card's cache between two convolutions need not move. Small batches,
    whose activations all fit there, are left out.
    """
    needed = {"card", "batches_and_bindings"}
    if not needed <= run.sections.keys():
        raise ValueError(f"measure {' and '.join(sorted(needed))} first")
    speeds = {row.get("what"): row for row in run.sections["card"]}
    for row in run.sections["batches_and_bindings"]:
        precision, batch = row["precision"], row.get("batch", 0)
        if row.get("mode") != "device_buffers" or "failed" in row or batch < ROOFLINE_BATCH:
            continue
        cost = convolution_cost(cached_half(run.model) if precision == "fp16" else run.model)
        bytes_s = arithmetic_s = 0.0
        for kind, counts in cost.items():
            moved = batch * counts["activation_bytes"] + counts["weight_bytes"]
            bytes_s += moved / speeds["copy"]["bytes_per_s"]
            arithmetic = "tf32" if precision == "tf32" else kind
            arithmetic_s += 2 * batch * counts["macs"] / speeds[arithmetic]["ops_per_s"]
        measured_s = batch / row["images_per_s"]
        yield {
            "precision": precision,
            "batch": batch,
            "measured_s": measured_s,
            "bytes_s": bytes_s,
            "arithmetic_s": arithmetic_s,
            "roofline_per_measured": max(bytes_s, arithmetic_s) / measured_s,
        }
