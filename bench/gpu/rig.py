"""What every section of the measurements shares: the model, timings, rows that may fail."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fer_fast.graph.fp16 import cached_half
from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING, with_explicit_padding
from fer_fast.runtime.cuda import provider_options
from fer_fast.settings import Precision

FER2013_FACES = 35_887
SIDE, WIDTH = 48, 5120
BATCHES = (1, 8, 64, 256, 1024, 2048, 4096, 8192)
QUICK_BATCHES = (1, 256, 1024)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ROOFLINE_BATCH = 1024

Row = dict[str, Any]
Faces = NDArray[np.uint8]


@dataclass(frozen=True)
class Run:
    """What every section is given; `sections` holds the rows of those measured already."""

    model: Path
    device: str
    n_faces: int
    quick: bool
    max_autotune: bool
    sections: dict[str, list[Row]]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return precisions_of(self.device)

    @property
    def batches(self) -> tuple[int, ...]:
        return QUICK_BATCHES if self.quick else BATCHES

    @property
    def large_batches(self) -> tuple[int, ...]:
        return tuple(batch for batch in self.batches if batch >= 256)

    @property
    def data_set(self) -> Faces:
        return random_faces(self.n_faces)


def precisions_of(device: str) -> tuple[Precision, ...]:
    return PRECISIONS if device == "cuda" else ("fp32",)


def random_faces(n: int) -> Faces:
    return np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)


def seconds_per_call(call: Callable[[], object], budget: float = 0.5) -> float:
    """Return the median seconds of a call that ends when its work has."""
    for _ in range(3):
        call()
    laps: list[float] = []
    while len(laps) < 5 or (sum(laps) < budget and len(laps) < 200):
        laps.append(seconds(call))
    return statistics.median(laps)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first_and_warm(call: Callable[[], object]) -> Row:
    laps = [seconds(call) for _ in range(4)]
    return {"first_s": laps[0], "warm_s": statistics.median(laps[1:])}


def failed(row: Row, error: Exception) -> Row:
    # ONNX Runtime says what happened behind its C++ signatures.
    return row | {"failed": f"{type(error).__name__}: {error}"[:1500]}


def attempt(row: Row, measure: Callable[[], Row]) -> Row:
    """Add a measurement to a row, or the reason why there is none."""
    try:
        return row | measure()
    except Exception as error:
        # One variant that this card or this PyTorch refuses must not cost the others.
        return failed(row, error)


def guarded(row: Row, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows, and in place of those that an error costs, `row` and the reason."""
    try:
        yield from rows
    except Exception as error:
        yield failed(row, error)


def load(
    model: Path,
    precision: Precision,
    device: str,
    *,
    profile: Path | None = None,
    apart: bool = True,
    **options: str,
) -> Any:
    """Open a model as the product does, with other provider options on top.

    `apart` is whether padding that differs from side to side is a step of its own on CUDA.
    """
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 4
    if profile:
        session_options.enable_profiling = True
        session_options.profile_file_prefix = str(profile)
    provider: Any = PROVIDERS[device]
    source: Path | bytes = cached_half(model) if precision == "fp16" else model
    if device == "cuda":
        provider = (provider, provider_options(precision) | options)
        session_options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if apart:
            source = with_explicit_padding(source)
            session_options.add_session_config_entry(*KEEP_EXPLICIT_PADDING)
    # DEFAULT search would write a line for each convolution.
    onnxruntime.set_default_logger_severity(4)
    runtime = onnxruntime.InferenceSession(
        source, session_options, providers=[provider], enable_fallback=0
    )
    if runtime.get_providers()[0] != PROVIDERS[device]:
        raise RuntimeError(f"ONNX Runtime went on without {PROVIDERS[device]}")
    return runtime


def resident_call(runtime: Any, faces: Faces, device: str) -> Callable[[], object]:
    """Return a call whose input and output stay in the device's memory."""
    value = onnxruntime.OrtValue
    binding = runtime.io_binding()
    binding.bind_ortvalue_input("pixels", value.ortvalue_from_numpy(faces, device, 0))
    shape = (len(faces), runtime.get_outputs()[0].shape[-1])
    binding.bind_ortvalue_output(
        "features", value.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
    )

    def call() -> None:
        runtime.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call
