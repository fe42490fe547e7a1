"""A model on a device: faces in, features out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Lock
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fer_fast.environment import available_cpus
from fer_fast.errors import DeviceError, FerFastError, ParameterError
from fer_fast.graph.cost import face_bytes
from fer_fast.graph.fp16 import cached_half
from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING, with_explicit_padding
from fer_fast.progress import SILENT, Reporter
from fer_fast.runtime.cuda import free_memory, provider_options, require_cuda, require_runtime
from fer_fast.runtime.failures import DeviceMemoryError, device_error, onnxruntime_errors, reason
from fer_fast.runtime.lanes import Lanes, Plan, plan_cpu, plan_cuda
from fer_fast.settings import Device, Precision
from fer_fast.storage.files import file_digest

_WARNING, _FATAL = 2, 4
"""ONNX Runtime's log levels: its default, and the one that writes nothing past the reporter."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Session:
    """A loaded model, made by `open_session`. Several threads may compute with one.

    Attributes
    ----------
    model_digest : str
        SHA-256 of the exported model's file, in hexadecimal.
    n_features : int
        Width of the features.
    """

    def __init__(self, opened: _Opened, fall_back: _FallBack | None, reporter: Reporter) -> None:
        self.model_digest = opened.model_digest
        self.n_features = opened.n_features
        self._opened = opened
        self._fall_back = fall_back
        self._reporter = reporter
        self._lock = Lock()

    @property
    def device(self) -> str:
        """``"cpu"``, or ``"cuda:"`` and the device's name; ``"auto"`` may end on the CPU."""
        return self._opened.device

    @property
    def kind(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return self._opened.plan.kind

    @property
    def precision(self) -> Precision:
        """The arithmetic: fp32, tf32 or fp16."""
        return self._opened.precision

    @property
    def plan(self) -> Plan:
        """How many faces a call takes where the caller does not say, and how many calls run."""
        return self._opened.plan

    def features(
        self,
        pixels: NDArray[np.uint8],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> NDArray[np.float32]:
        """Compute the features of faces.

        Where a device's memory does not do, the batch is halved, for this call and later ones. A
        session that was opened on ``"auto"`` computes all of them on the CPU if the device fails
        for another reason. Both are said as a warning.

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
            If the device fails.
        """
        if batch_size is not None and batch_size < 1:
            raise ParameterError(f"the batch size is {batch_size}", hint="give at least 1")
        out = np.empty((len(pixels), self.n_features), dtype=np.float32)
        count = _HighWater(advance)
        opened = self._opened
        try:
            self._compute(opened, pixels, out, batch_size, count)
        except DeviceError as error:
            # All of them again: two devices round differently.
            self._compute(self._without(opened, error), pixels, out, batch_size, count)
        return out

    def _compute(
        self,
        opened: _Opened,
        pixels: NDArray[np.uint8],
        out: NDArray[np.float32],
        batch_size: int | None,
        count: _HighWater,
    ) -> None:
        most = opened.plan.batch_size if batch_size is None else batch_size
        done = 0
        while done < len(pixels):
            size = opened.plan.size_for(len(pixels), min(most, opened.largest or most))
            for n in self._attempt(opened, pixels[done:], out[done:], size):
                done += n
                count.reach(done)

    def _attempt(
        self, opened: _Opened, pixels: NDArray[np.uint8], out: NDArray[np.float32], size: int
    ) -> Iterator[int]:
        """Yield the numbers of faces done; end early where the rest needs smaller batches."""
        with opened.borrowed() as lanes:
            had_room = yield from self._try(opened, lanes, pixels, out, size)
        if not had_room:
            opened.halve(lanes, size)

    def _try(
        self,
        opened: _Opened,
        lanes: Lanes,
        pixels: NDArray[np.uint8],
        out: NDArray[np.float32],
        size: int,
    ) -> Generator[int, None, bool]:
        """Yield the numbers of faces done; return False where memory did not do.

        No error lives on that keeps alive what it met.
        """
        try:
            with closing(lanes.compute(pixels, out, size)) as batches:
                yield from batches
        except DeviceMemoryError as error:
            if size == 1:
                raise DeviceError(
                    f"{opened.device} has no room for one face: {error}",
                    hint="free its memory, or use --device cpu",
                ) from error
            self._reporter.warn(
                f"device: batches of {size // 2} faces instead of {size}, because {error}"
            )
            return False
        except DeviceError as error:
            if not opened.has_left(lanes):
                raise DeviceError(
                    f"{opened.device}: {error}", hint="run `fer-fast doctor`, or use --device cpu"
                ) from error
        return True

    def _without(self, failed: _Opened, error: DeviceError) -> _Opened:
        """Return what goes on in place of a device that has failed, or raise its error."""
        with self._lock:
            if self._opened is failed:
                if self._fall_back is None:
                    raise error
                self._reporter.warn(f"device: cpu from here on, because {error.message}")
                self._opened, self._fall_back = self._fall_back(), None
                failed.close()
            return self._opened


class _Opened:
    """A model on a device: `largest` bounds a batch after memory did not do for twice as many."""

    def __init__(
        self, model: Path, converted: Path, device: str, precision: Precision, plan: Plan
    ) -> None:
        self.device = device
        self.precision = precision
        self.plan = plan
        self.largest: int | None = None
        self.model_digest = file_digest(model)
        self._model = converted
        self._changed = Condition()
        self._n_borrowed = 0
        runtime = _load(converted, plan.kind, precision)
        (pixels,), (features,) = runtime.get_inputs(), runtime.get_outputs()
        if (pixels.name, features.name) != ("pixels", "features"):
            raise FerFastError(f"{model} is no backbone", hint="make one with `fer-fast export`")
        self.n_features: int = features.shape[-1]
        self._lanes: Lanes | None = Lanes(runtime, plan, self.n_features)

    @contextmanager
    def borrowed(self) -> Iterator[Lanes]:
        """Yield the lanes; while another thread opens the model anew, wait for it."""
        with self._changed:
            lanes = self._ready()
            self._n_borrowed += 1
        try:
            yield lanes
        finally:
            with self._changed:
                self._n_borrowed -= 1
                self._changed.notify_all()

    def halve(self, lanes: Lanes, size: int) -> None:
        """Take batches of half of `size` at most, and open the model anew in place of `lanes`.

        What ONNX Runtime once took of a device it keeps, in pieces for the size that failed.
        """
        with self._changed:
            self.largest = min(self.largest or size, size // 2)
            if self._lanes is not lanes:
                return
            # First: the device has no room for two of them, nor for what another thread still
            # holds of these.
            self._lanes = None
            lanes.close()
            self._changed.wait_for(lambda: self._n_borrowed == 0)
            try:
                runtime = _load(self._model, self.plan.kind, self.precision)
                self._lanes = Lanes(runtime, self.plan, self.n_features)
            finally:
                # Where that fails, whoever waits fails by those that are closed.
                self._lanes = self._lanes or lanes
                self._changed.notify_all()

    def has_left(self, lanes: Lanes) -> bool:
        """Tell whether another thread has halved the batch, which ends what runs on `lanes`."""
        with self._changed:
            return self._lanes is not lanes

    def close(self) -> None:
        """Free what the model takes of the device."""
        with self._changed:
            self._ready().close()

    def _ready(self) -> Lanes:
        self._changed.wait_for(lambda: self._lanes is not None)
        assert self._lanes is not None
        return self._lanes


_FallBack = Callable[[], _Opened]


@dataclass
class _HighWater:
    """Tells of each face once, however often it is computed."""

    advance: Callable[[int], None]
    told: int = 0

    def reach(self, done: int) -> None:
        if done > self.told:
            self.advance(done - self.told)
            self.told = done


def open_session(
    model: Path,
    device: Device = "auto",
    *,
    precision: Precision = "fp32",
    jobs: int | None = None,
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
    jobs : int or None
        Threads that compute at most; None: as many as the process may use CPUs.
    reporter : Reporter
        Told too, later, what the session does because its device fails.

    Raises
    ------
    DeviceError
        If `device` or `precision` asks for CUDA and CUDA cannot be used; it names what is missing.
    FerFastError
        If `model` is no backbone.
    """
    if device not in get_args(Device):
        raise ParameterError(f"the device is {device!r}", hint="choose auto, cpu or cuda")
    if precision not in get_args(Precision):
        raise ParameterError(f"the precision is {precision!r}", hint="choose fp32, tf32 or fp16")
    if device == "cpu" and precision != "fp32":
        raise ParameterError(f"precision {precision} needs CUDA", hint="choose fp32 on the CPU")
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs is {jobs}", hint="give at least 1")
    threads = available_cpus() if jobs is None else jobs

    def on_cpu() -> _Opened:
        return _Opened(model, model, "cpu", "fp32", plan_cpu(face_bytes(model), threads))

    if device != "cpu":
        may_fall_back = device == "auto" and precision == "fp32"
        try:
            opened = _open_on_cuda(model, precision, threads, reporter)
            return Session(opened, on_cpu if may_fall_back else None, reporter)
        except DeviceError as error:
            if not may_fall_back:
                raise
            reporter.note(f"device: cpu, because {error}")
    return Session(on_cpu(), None, reporter)


def _open_on_cuda(model: Path, precision: Precision, threads: int, reporter: Reporter) -> _Opened:
    name = require_cuda()
    converted = cached_half(model, reporter=reporter) if precision == "fp16" else model
    plan = plan_cuda(face_bytes(converted), free_memory(), threads)
    return _Opened(model, converted, f"cuda:{name}", precision, plan)


def _load(model: Path, kind: str, precision: Precision) -> Any:
    onnxruntime = require_runtime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = 1
    provider_and_options: Any = _PROVIDERS[kind]
    source: Path | bytes = model
    if kind == "cuda":
        source = with_explicit_padding(model)
        options.add_session_config_entry(*KEEP_EXPLICIT_PADDING)
        provider_and_options = (provider_and_options, provider_options(precision))
        # Without this, what the device cannot compute goes to the CPU unsaid.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    # The session's own level is not yet in force while its provider is made.
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        runtime = onnxruntime.InferenceSession(
            source, sess_options=options, providers=[provider_and_options], enable_fallback=0
        )
    except onnxruntime_errors() as error:
        if kind == "cuda":
            raise device_error(error, f"ONNX Runtime cannot open {model} on CUDA") from error
        raise FerFastError(
            f"{model} is no model that ONNX Runtime can open ({reason(error)})"
        ) from error
    finally:
        # CUDA's failures are logged there for as long as a session lives, and raised too.
        if kind == "cpu":
            onnxruntime.set_default_logger_severity(_WARNING)
    if runtime.get_providers()[0] != _PROVIDERS[kind]:
        raise DeviceError(
            "ONNX Runtime does without CUDA and does not say why", hint="run `fer-fast doctor`"
        )
    return runtime
