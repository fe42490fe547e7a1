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
    random_faces,
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
    """Seconds from host memory to host memory, as `whole_data_set`, eager."""
    from gpu import network

    faces = run.data_set

    def measure(made: Any, batch: int) -> Row:
        return first_and_warm(network.whole_call(made, faces, batch))

    for precision in run.precisions:
        made = network.network(run.model, precision, "cuda")
        for batch in run.large_batches:
            row = {"precision": precision, "batch": batch, "faces": len(faces)}
            yield attempt(row, partial(measure, made, batch))


def pytorch(run: Run) -> Iterator[Row]:
    """Images/s of the same network in PyTorch, on device buffers."""
    yield from torch_rates(run, ("eager", "CUDA graph"), run.batches)


def pytorch_compiled(run: Run) -> Iterator[Row]:
    """Images/s of the same network compiled, on device buffers; each takes minutes to compile."""
    mode = "max-autotune-no-cudagraphs" if run.max_autotune else "default"
    yield from torch_rates(run, (mode,), (ROOFLINE_BATCH,))


def torch_rates(run: Run, ways: tuple[str, ...], batches: tuple[int, ...]) -> Iterator[Row]:
    from gpu import network

    def measure(made: Any, how: str, batch: int) -> Row:
        call = network.resident_call(made, random_faces(batch), how)
        return {"first_call_s": seconds(call), "images_per_s": batch / seconds_per_call(call)}

    for precision in run.precisions:
        made = network.network(run.model, precision, "cuda")
        for how, batch in itertools.product(ways, batches):
            row = {"precision": precision, "batch": batch, "how": how}
            yield attempt(row, partial(measure, made, how, batch))
