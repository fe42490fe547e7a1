"""The same network in PyTorch, on the same card."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

from fer_fast.runtime.session import open_session
from fer_fast.settings import Precision
from gpu.proof import BOUNDS, compare
from gpu.rig import (
    ROOFLINE_BATCH,
    Row,
    Run,
    attempt,
    first_and_warm,
    load,
    random_faces,
    resident_call,
    seconds,
    seconds_per_call,
)


def pytorch_agreement(run: Run) -> Iterator[Row]:
    """Compare PyTorch's features with ONNX Runtime's on the CPU."""
    from gpu import network

    faces = random_faces(256)
    expected = open_session(run.model, "cpu").features(faces)

    def measure(precision: Precision) -> Row:
        made = network.network(run.model, precision, run.device)
        found = [network.features(made, faces) for _ in range(2)]
        return compare(found, expected, BOUNDS[precision, "random"])

    for precision in run.precisions:
        yield attempt({"side": "PyTorch", "precision": precision}, partial(measure, precision))


def pytorch_whole_data_set(run: Run) -> Iterator[Row]:
    """Seconds from host memory to host memory, as `whole_data_set`."""
    from gpu import network

    faces = run.data_set

    def measure(made: Any, batch: int, how: str) -> Row:
        return first_and_warm(network.whole_call(made, faces, batch, how))

    for precision in run.precisions:
        made = network.network(run.model, precision, "cuda")
        for batch, how in itertools.product(run.large_batches, ("eager", "CUDA graph")):
            row = {"precision": precision, "batch": batch, "how": how, "faces": len(faces)}
            yield attempt(row, partial(measure, made, batch, how))


def pytorch(run: Run) -> Iterator[Row]:
    """Images/s of the same network in PyTorch, on device buffers."""
    from gpu import network

    def measure(made: Any, how: str, batch: int) -> Row:
        call = network.resident_call(made, random_faces(batch), how)
        return {"first_call_s": seconds(call), "images_per_s": batch / seconds_per_call(call)}

    for precision in run.precisions:
        made = network.network(run.model, precision, "cuda")
        for batch, how in itertools.product(run.batches, ("eager", "CUDA graph")):
            row = {"precision": precision, "batch": batch, "how": how}
            yield attempt(row, partial(measure, made, how, batch))


def kernels(run: Run) -> Iterator[Row]:
    """Milliseconds of one batch by the kernels that take longest, on device buffers."""
    from gpu import network

    faces = random_faces(ROOFLINE_BATCH)
    for precision in run.precisions:
        sides = {
            "product": resident_call(load(run.model, precision, run.device), faces, run.device),
            "PyTorch": network.resident_call(
                network.network(run.model, precision, run.device), faces, "eager"
            ),
        }
        for side, call in sides.items():
            spent = network.kernel_times(call)
            yield {
                "side": side,
                "precision": precision,
                "batch": ROOFLINE_BATCH,
                "all_ms": sum(ms for _, _, ms in spent),
                "kernels": [
                    {"ms": ms, "calls": calls, "kernel": name} for name, calls, ms in spent[:12]
                ],
            }


def pytorch_compiled(run: Run) -> Iterator[Row]:
    """Both, of the same network compiled, which takes a minute or more each time."""
    from gpu import network

    faces = run.data_set
    mode = "max-autotune-no-cudagraphs" if run.max_autotune else "default"

    def measure(precision: Precision) -> Row:
        made = network.compiled(network.network(run.model, precision, "cuda"), mode)
        call = network.resident_call(made, random_faces(ROOFLINE_BATCH), "eager")
        row = {
            "first_call_s": seconds(call),
            "images_per_s": ROOFLINE_BATCH / seconds_per_call(call),
        }
        return row | first_and_warm(network.whole_call(made, faces, ROOFLINE_BATCH, "eager"))

    for precision in run.precisions:
        row = {"precision": precision, "batch": ROOFLINE_BATCH, "how": mode, "faces": len(faces)}
        yield attempt(row, partial(measure, precision))
