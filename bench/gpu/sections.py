"""ONNX Runtime and the product on a device: agreement, speed, and what other options give."""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.runtime.lanes import Lanes
from fer_fast.runtime.session import Session, open_session
from fer_fast.settings import Precision
from gpu.proof import placement, product_agreement
from gpu.rig import (
    ROOFLINE_BATCH,
    Faces,
    Row,
    Run,
    attempt,
    first_and_warm,
    guarded,
    load,
    random_faces,
    resident_call,
    seconds,
    seconds_per_call,
)


def agreement(run: Run) -> Iterator[Row]:
    """Compare with ONNX Runtime on the CPU, and list what did not run on the device."""
    faces = random_faces(256)
    for precision in run.precisions:
        row = {"side": "product", "precision": precision}
        agree = partial(product_agreement, run.model, run.device, precision, "random", faces)
        yield attempt(row, agree)
        yield attempt(
            {"precision": precision}, partial(placement, run.model, run.device, precision)
        )


def whole_data_set(run: Run) -> Iterator[Row]:
    """Seconds from faces in host memory to features in host memory."""
    faces = run.data_set

    def with_precision(precision: Precision) -> Iterator[Row]:
        session = open_session(run.model, run.device, precision=precision)
        default = session.plan.batch_size
        for batch in sorted({default, *run.large_batches}):
            row = {"precision": precision, "batch": batch, "faces": len(faces)}
            row["default"] = batch == default
            call = partial(session.features, faces, batch_size=batch)
            yield attempt(row, partial(first_and_warm, call))

    for precision in run.precisions:
        yield from guarded({"precision": precision}, with_precision(precision))


def host_memory(run: Run) -> Iterator[Row]:
    """Seconds in which the host alone writes features: to a new array, and to one written before.

    The first meets a page fault for each page, as the features of a whole data set do.
    """
    n_features = open_session(run.model, run.device).n_features
    block = np.ones((1024, n_features), np.float32)
    starts = range(0, run.n_faces, len(block))

    def write(out: NDArray[np.float32], threads: ThreadPoolExecutor) -> None:
        def part(start: int) -> None:
            rows = out[start : start + len(block)]
            rows[:] = block[: len(rows)]

        deque(threads.map(part, starts), maxlen=0)

    for n in (1, 2, 4):
        with ThreadPoolExecutor(n) as threads:
            laps = []
            for _ in range(3):
                out = np.empty((run.n_faces, n_features), np.float32)
                laps.append([seconds(partial(write, out, threads)) for _ in range(2)])
                del out
            new, again = map(statistics.median, zip(*laps, strict=True))
            yield {
                "threads": n,
                "bytes": 4 * run.n_faces * n_features,
                "new_s": new,
                "again_s": again,
            }


def batches_and_bindings(run: Run) -> Iterator[Row]:
    """Images/s of one call: NumPy in and out, device buffers, and the product's session."""

    def numpy_in_and_out(runtime: Any, _: Session, faces: Faces) -> Row:
        call = partial(runtime.run, None, {"pixels": faces})
        return {"images_per_s": len(faces) / seconds_per_call(call)}

    def device_buffers(runtime: Any, _: Session, faces: Faces) -> Row:
        call = resident_call(runtime, faces, run.device)
        return {"images_per_s": len(faces) / seconds_per_call(call)}

    def session_of_8_batches(_: Any, session: Session, faces: Faces) -> Row:
        many = np.tile(faces, (8, 1, 1))
        call = partial(session.features, many, batch_size=len(faces))
        return {"images_per_s": len(many) / seconds_per_call(call)}

    modes = (numpy_in_and_out, device_buffers, session_of_8_batches)

    def with_precision(precision: Precision) -> Iterator[Row]:
        runtime = load(run.model, precision, run.device)
        session = open_session(run.model, run.device, precision=precision)
        for batch, mode in itertools.product(run.batches, modes):
            row = {"precision": precision, "batch": batch, "mode": mode.__name__}
            yield attempt(row, partial(mode, runtime, session, random_faces(batch)))

    for precision in run.precisions:
        yield from guarded({"precision": precision}, with_precision(precision))


def calls_with_few_faces(run: Run) -> Iterator[Row]:
    """Seconds of a call that has next to nothing to compute."""
    for precision in run.precisions:
        session = open_session(run.model, run.device, precision=precision)
        for n in (1, 16, 64):
            row = {"precision": precision, "faces": n}
            yield attempt(row, partial(first_and_warm, partial(session.features, random_faces(n))))


def lanes(run: Run) -> Iterator[Row]:
    """Seconds for the whole data set by the number of calls that run at one time."""
    faces = run.data_set

    def measure(n: int) -> Row:
        session = open_session(run.model, run.device)
        plan = replace(session.plan, lanes=n)
        opened = Lanes(load(run.model, "fp32", run.device), plan, session.n_features)
        out = np.empty((len(faces), session.n_features), np.float32)

        def call() -> None:
            for _ in opened.compute(faces, out, plan.batch_size):
                pass

        return first_and_warm(call)

    for n in (1, 2, 3, 4):
        yield attempt({"lanes": n}, partial(measure, n))


def provider_choices(run: Run) -> Iterator[Row]:
    """Images/s with device buffers under other provider options."""
    choices: list[dict[str, Any]] = [
        {"cudnn_conv_algo_search": search, "prefer_nhwc": nhwc}
        for search, nhwc in itertools.product(("HEURISTIC", "EXHAUSTIVE", "DEFAULT"), "01")
    ]
    choices += [{"enable_cuda_graph": "1", "prefer_nhwc": nhwc} for nhwc in "01"]
    choices += [{"apart": False, "prefer_nhwc": nhwc} for nhwc in "01"]

    def measure(precision: Precision, options: dict[str, Any], batch: int) -> Row:
        runtime = load(run.model, precision, "cuda", **options)
        call = resident_call(runtime, random_faces(batch), "cuda")
        return {"first_call_s": seconds(call), "images_per_s": batch / seconds_per_call(call)}

    # Whether half precision may use tensor cores, and its first block, in single, TF32.
    half = [{"use_tf32": tf32, "prefer_nhwc": nhwc} for tf32, nhwc in itertools.product("01", "01")]

    batches = (ROOFLINE_BATCH,) if run.quick else (ROOFLINE_BATCH, 1)
    for batch, precision in itertools.product(batches, run.precisions):
        for options in choices + (half if precision == "fp16" else []):
            row = {"precision": precision, "batch": batch, **options}
            yield attempt(row, partial(measure, precision, options, batch))
