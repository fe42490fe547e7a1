"""A model on a device: faces in, features out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.devices import require_cuda, usable_cpus
from fer_fast.errors import DeviceError, FerFastError, ParameterError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage import file_digest

Device = Literal["auto", "cpu", "cuda"]

_CPU_BATCH = 64
_CUDA_BATCH = 1024

_FATAL = 4
"""ONNX Runtime's log level; its lower ones write to the terminal past every reporter."""


@dataclass(frozen=True)
class Session:
    """A loaded model.

    Attributes
    ----------
    device : str
        ``"cpu"``, or ``"cuda:"`` and the device's name.
    model_digest : str
        SHA-256 of the model's file, in hexadecimal.
    n_features : int
        Width of the features.
    """

    device: str
    model_digest: str
    n_features: int
    _runtime: Any

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
        """
        on_cpu = self.device == "cpu"
        default = _CPU_BATCH if on_cpu else _CUDA_BATCH
        batch = default if batch_size is None else batch_size
        if batch < 1:
            raise ParameterError(f"the batch size is {batch}: give at least 1")
        out = np.empty((len(pixels), self.n_features), dtype=np.float32)

        def compute(start: int) -> int:
            rows = slice(start, start + batch)
            (out[rows],) = self._runtime.run(None, {"pixels": pixels[rows]})
            return len(out[rows])

        # On CPU, one thread per core over whole slices scales better than ONNX Runtime's own
        # threads inside a slice, and degrades far less on a shared machine.
        threads = usable_cpus() if on_cpu else 1
        for done in _in_threads(compute, range(0, len(pixels), batch), threads):
            advance(done)
        return out


def _in_threads(work: Callable[[int], int], items: range, threads: int) -> Iterator[int]:
    """Yield `work(item)` for each item, in order, computed by `threads` threads."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fer-fast-backbone")
    try:
        running: deque[Future[int]] = deque()
        for item in items:
            running.append(pool.submit(work, item))
            # Few are queued, so that an interrupt ends within one slice.
            if len(running) > 2 * threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def open_session(model: Path, device: Device = "auto", *, reporter: Reporter = SILENT) -> Session:
    """Load a model that `export_model` wrote.

    Parameters
    ----------
    model : Path
    device : {"auto", "cpu", "cuda"}
        ``"auto"`` prefers CUDA and says why if it falls back to the CPU.
    reporter : Reporter

    Raises
    ------
    DeviceError
        If `device` is ``"cuda"`` and CUDA cannot be used; it names what is missing.
    FerFastError
        If `model` is no backbone.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ParameterError(f"the device is {device!r}: choose auto, cpu or cuda")
    if device != "cpu":
        try:
            name = require_cuda()
            return _loaded(model, f"cuda:{name}")
        except DeviceError as error:
            if device == "cuda":
                raise
            reporter.note(f"device: cpu, because {error}")
    return _loaded(model, "cpu")


def _loaded(model: Path, device: str) -> Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    if device != "cpu":
        providers.insert(0, "CUDAExecutionProvider")
    try:
        runtime = onnxruntime.InferenceSession(
            model, sess_options=options, providers=providers, enable_fallback=0
        )
    except Exception as error:
        # ONNX Runtime's exceptions share no base class below Exception.
        if device != "cpu":
            raise DeviceError(f"ONNX Runtime cannot open {model} on {device} ({error})") from error
        raise FerFastError(f"{model} is no model that ONNX Runtime can open ({error})") from error
    if runtime.get_providers()[0] != providers[0]:
        raise DeviceError(f"ONNX Runtime refused {device} without an error: run `fer-fast doctor`")
    n_features = runtime.get_outputs()[0].shape[-1]
    return Session(device, file_digest(model), n_features, runtime)
