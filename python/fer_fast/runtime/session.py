"""A model on a device: faces in, features out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fer_fast.environment import available_cpus
from fer_fast.errors import DeviceError, FerFastError, ParameterError
from fer_fast.faces.dataset import FACE_SIDE
from fer_fast.graph.fp16 import cached_half
from fer_fast.graph.padding import KEEP_PADDING_APART, padded_apart
from fer_fast.progress import SILENT, Reporter
from fer_fast.runtime.buffers import pinned_array, provider_options
from fer_fast.runtime.cuda import require_cuda, require_runtime
from fer_fast.runtime.failures import reason, runtime_errors
from fer_fast.settings import Device, Precision
from fer_fast.storage.files import file_digest

_WARNING, _FATAL = 2, 4
"""ONNX Runtime's log levels: its default, and the one that writes nothing past the reporter."""


@dataclass(frozen=True)
class _Kind:
    """How a kind of device is kept busy.

    A lane is a thread with one batch's buffers. On CPU, one lane per core, each computing a batch
    alone, scales better than threads inside a batch, and degrades far less on a shared machine. On
    CUDA, two lanes: one copies while the other computes.
    """

    provider: str
    lanes: Callable[[], int]
    batch_size: int
    allocate: Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]


_KINDS = {
    "cpu": _Kind("CPUExecutionProvider", available_cpus, 32, np.zeros),
    "cuda": _Kind("CUDAExecutionProvider", lambda: 2, 1024, pinned_array),
}


class _Lane:
    """The buffers of one batch, bound to a model's input and output."""

    def __init__(self, runtime: Any, kind: _Kind, batch_size: int, n_features: int) -> None:
        self._runtime = runtime
        self._pixels = kind.allocate((batch_size, FACE_SIDE, FACE_SIDE), np.uint8)
        self._features = kind.allocate((batch_size, n_features), np.float32)
        self._binding = runtime.io_binding()
        # "cpu" is where the buffers are; ONNX Runtime copies them to and from its device.
        for bind, name, buffer in (
            (self._binding.bind_input, "pixels", self._pixels),
            (self._binding.bind_output, "features", self._features),
        ):
            bind(name, "cpu", 0, buffer.dtype.type, buffer.shape, buffer.ctypes.data)

    def compute(self, pixels: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        # A last batch with fewer faces is filled up by older ones: for each new batch size the
        # device would plan its convolutions anew.
        self._pixels[: len(pixels)] = pixels
        self._runtime.run_with_iobinding(self._binding)
        out[:] = self._features[: len(pixels)]


@dataclass(frozen=True)
class Session:
    """A loaded model.

    Attributes
    ----------
    device : str
        ``"cpu"``, or ``"cuda:"`` and the device's name.
    precision : {"fp32", "tf32", "fp16"}
    model_digest : str
        SHA-256 of the exported model's file, in hexadecimal.
    n_features : int
        Width of the features.
    """

    device: str
    precision: Precision
    model_digest: str
    n_features: int
    _runtime: Any

    @property
    def kind(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return self.device.partition(":")[0]

    def features(
        self,
        pixels: NDArray[np.uint8],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> NDArray[np.float32]:
        """Compute the features of faces.

        Parameters
        ----------
        pixels : ndarray of shape (n, 48, 48), uint8
        batch_size : int or None
            Faces in one call of the model; None: a good one for the device.
        advance : callable
            Told how many faces are done, each time some are, in this thread.

        Returns
        -------
        ndarray of shape (n, n_features), float32, C order

        Raises
        ------
        DeviceError
            If the device fails, mostly for lack of memory.
        """
        kind = _KINDS[self.kind]
        batch = min(kind.batch_size if batch_size is None else batch_size, max(len(pixels), 1))
        if batch < 1:
            raise ParameterError(f"the batch size is {batch_size}: give at least 1")
        out = np.empty((len(pixels), self.n_features), dtype=np.float32)
        starts = range(0, len(pixels), batch)
        lanes: SimpleQueue[_Lane] = SimpleQueue()
        n_lanes = max(1, min(kind.lanes(), len(starts)))
        for _ in range(n_lanes):
            lanes.put(_Lane(self._runtime, kind, batch, self.n_features))

        def compute(start: int) -> int:
            rows = slice(start, start + batch)
            lane = lanes.get()
            try:
                lane.compute(pixels[rows], out[rows])
            finally:
                lanes.put(lane)
            return len(out[rows])

        try:
            for done in _in_threads(compute, starts, n_lanes):
                advance(done)
        except runtime_errors() as error:
            raise DeviceError(
                f"{self.device} failed on a batch of {batch} faces, "
                f"try a smaller --batch-size ({reason(error)})"
            ) from error
        return out


def _in_threads(work: Callable[[int], int], items: range, threads: int) -> Iterator[int]:
    """Yield `work(item)` for each item, in order, computed by `threads` threads."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fer-fast-backbone")
    try:
        running: deque[Future[int]] = deque()
        for item in items:
            running.append(pool.submit(work, item))
            # Few are queued, so that an interrupt ends within one batch.
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def open_session(
    model: Path,
    device: Device = "auto",
    *,
    precision: Precision = "fp32",
    reporter: Reporter = SILENT,
) -> Session:
    """Load a model that `export_model` wrote.

    Parameters
    ----------
    model : Path
    device : {"auto", "cpu", "cuda"}
        ``"auto"`` prefers CUDA and says why if it falls back to the CPU.
    precision : {"fp32", "tf32", "fp16"}
        All but fp32 need CUDA.
    reporter : Reporter

    Raises
    ------
    DeviceError
        If `device` or `precision` asks for CUDA and CUDA cannot be used; it names what is missing.
    FerFastError
        If `model` is no backbone.
    """
    if device not in get_args(Device):
        raise ParameterError(f"the device is {device!r}: choose auto, cpu or cuda")
    if precision not in get_args(Precision):
        raise ParameterError(f"the precision is {precision!r}: choose fp32, tf32 or fp16")
    if device == "cpu" and precision != "fp32":
        raise ParameterError(f"precision {precision} needs CUDA: choose fp32 on the CPU")
    if device != "cpu":
        try:
            name = require_cuda()
            loaded = cached_half(model, reporter=reporter) if precision == "fp16" else model
            return _session(model, f"cuda:{name}", precision, _load(loaded, "cuda", precision))
        except DeviceError as error:
            if device == "cuda" or precision != "fp32":
                raise
            reporter.note(f"device: cpu, because {error}")
    return _session(model, "cpu", "fp32", _load(model, "cpu", "fp32"))


def _load(model: Path, kind: str, precision: Precision) -> Any:
    onnxruntime = require_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    provider_and_options: Any = _KINDS[kind].provider
    source: Path | bytes = model
    if kind == "cuda":
        source = padded_apart(model)
        options.add_session_config_entry(*KEEP_PADDING_APART)
        provider_and_options = (provider_and_options, provider_options(precision))
        # Without this, what the device cannot compute goes to the CPU unsaid.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # The session's own level is not yet in force while its provider is made.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        runtime = onnxruntime.InferenceSession(
            source, sess_options=options, providers=[provider_and_options], enable_fallback=0
        )
    except runtime_errors() as error:
        if kind == "cuda":
            raise DeviceError(
                f"ONNX Runtime cannot open {model} on CUDA ({reason(error)})"
            ) from error
        raise FerFastError(
            f"{model} is no model that ONNX Runtime can open ({reason(error)})"
        ) from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    if runtime.get_providers()[0] != _KINDS[kind].provider:
        raise DeviceError(
            "ONNX Runtime does without CUDA and does not say why: run fer-fast doctor"
        )
    return runtime


def _session(model: Path, device: str, precision: Precision, runtime: Any) -> Session:
    (pixels,), (features,) = runtime.get_inputs(), runtime.get_outputs()
    if (pixels.name, features.name) != ("pixels", "features"):
        raise FerFastError(f"{model} is no backbone: make one with `fer-fast export`")
    return Session(device, precision, file_digest(model), features.shape[-1], runtime)
