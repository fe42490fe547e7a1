"""Lanes: threads that each compute batches of faces in buffers of their own.

On CPU, one lane per core, each computing a batch alone, scales better than threads inside a batch,
and degrades far less on a shared machine. On CUDA, a lane computes while others copy to and from
the device and write features into new pages of the host's memory, which takes as long.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fer_fast.errors import DeviceError
from fer_fast.faces.dataset import FACE_SIDE
from fer_fast.runtime.cuda import require_cuda_library, require_runtime
from fer_fast.runtime.failures import DeviceMemoryError, device_error, onnxruntime_errors

_CPU_BATCH = 32
"""Faces in one call of the model on a CPU, at most."""

_CPU_LANE_BYTES = 2**26
"""What a lane may take of memory on a CPU: what it touches then stays in the core's cache, by
bench/batch_size.py."""

_CUDA_LANES = (4, 2, 1)
"""How many lanes, the most that the memory does for: more than four gained nothing."""

_CUDA_BATCH = 1024
_CUDA_LANE_BYTES = 2**31
"""What a lane may take of the device: 1,024 faces at 48 pixels take it, and 64 at 160."""

_CUDA_SHARE = 0.8
"""How much of the device's free memory is planned for: cuDNN's workspaces take from the rest."""

_SMALLEST_CUDA_BATCH = 16
"""Where two lanes could not hold so many faces each, there is one."""

_CUDA_OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation."""

_KEPT_SIZES = 4
"""Batch sizes of which a lane keeps the buffers."""


@dataclass(frozen=True)
class Plan:
    """How a model is run on a device.

    Attributes
    ----------
    kind : {"cpu", "cuda"}
    batch_size : int
        Faces in one call of the model.
    lanes : int
        Calls at one time.
    """

    kind: str
    batch_size: int
    lanes: int

    def size_for(self, n_faces: int, batch_size: int) -> int:
        """Return how many faces a call takes of `n_faces` in batches of at most `batch_size`.

        CUDA plans its convolutions anew for each size that differs from the last, and remembers
        one: so few faces are filled up to the nearest of few sizes, each four times the one below.
        """
        if self.kind == "cpu":
            return min(batch_size, max(n_faces, 1))
        size = batch_size
        while size // 4 >= max(n_faces, _SMALLEST_CUDA_BATCH):
            size //= 4
        return size


def plan_cpu(face_bytes: int, lanes: int) -> Plan:
    """Return the plan for a model that needs `face_bytes` of memory for each face.

    Parameters
    ----------
    face_bytes : int
        As `fer_fast.graph.cost.face_bytes` estimates it.
    lanes : int
    """
    return Plan("cpu", min(_CPU_BATCH, _batch(face_bytes, _CPU_LANE_BYTES)), lanes)


def plan_cuda(face_bytes: int, free_bytes: int, most_lanes: int) -> Plan:
    """Return the plan for a model that needs `face_bytes` of a device's memory for each face.

    Parameters
    ----------
    face_bytes : int
        As `fer_fast.graph.cost.face_bytes` estimates it.
    free_bytes : int
        Of the device's memory.
    most_lanes : int
    """
    whole = min(_CUDA_BATCH, _batch(face_bytes, _CUDA_LANE_BYTES))
    for lanes in (number for number in _CUDA_LANES if number <= most_lanes):
        room = min(_CUDA_LANE_BYTES, _CUDA_SHARE * free_bytes / lanes)
        batch = min(_CUDA_BATCH, _batch(face_bytes, room))
        # More lanes than two are not worth a smaller batch.
        if batch >= (whole if lanes > 2 else min(whole, _SMALLEST_CUDA_BATCH)):
            break
    return Plan("cuda", batch, lanes)


def _batch(face_bytes: int, room: float) -> int:
    """Return the power of two of faces for which `room`, in bytes, does."""
    faces = max(1, int(room) // face_bytes)
    return 1 << (faces.bit_length() - 1)


class Lanes:
    """The lanes of one opened model, which live as long as it does.

    Threads are kept because ONNX Runtime gives each a stream and handles of cuDNN and cuBLAS, and
    buffers because page-locking them takes longer than a batch. Several threads may call `compute`.

    Parameters
    ----------
    runtime : onnxruntime.InferenceSession
    plan : Plan
    n_features : int
    """

    def __init__(self, runtime: Any, plan: Plan, n_features: int) -> None:
        self._runtime = runtime
        self._kind = plan.kind
        self._n_features = n_features
        self._n_lanes = plan.lanes
        self._pool = ThreadPoolExecutor(plan.lanes, thread_name_prefix="fer-fast-backbone")
        self._idle: SimpleQueue[_Lane] = SimpleQueue()

    def compute(
        self, pixels: NDArray[np.uint8], out: NDArray[np.float32], size: int
    ) -> Generator[int, None, None]:
        """Write the features of faces into `out`; yield how many more are done, in order.

        Parameters
        ----------
        pixels : ndarray of shape (n, 48, 48), uint8
        out : ndarray of shape (n, n_features), float32
        size : int
            Faces in one call of the model.

        Raises
        ------
        DeviceError
            If the device fails. `DeviceMemoryError` if it lacks memory.
        """

        def batch(start: int) -> int:
            rows = slice(start, start + size)
            lane = self._lane()
            try:
                lane.compute(pixels[rows], out[rows], size)
            finally:
                self._idle.put(lane)
            return len(out[rows])

        running: deque[Future[int]] = deque()
        try:
            for start in range(0, len(pixels), size):
                running.append(self._pool.submit(batch, start))
                # Few are queued, so that an interrupt ends within one batch.
                if len(running) > 2 * self._n_lanes:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except onnxruntime_errors() as error:
            raise device_error(error, f"the device failed on a batch of {size} faces") from error
        finally:
            # Nothing writes to `out` once this has ended, be it by an error or an interrupt.
            for future in running:
                future.cancel()
            wait(running)

    def close(self) -> None:
        """End the threads, with their streams, and free the buffers and the model."""
        self._pool.shutdown()
        self._idle = SimpleQueue()
        self._runtime = None

    def _lane(self) -> _Lane:
        # There are never more of them than threads.
        try:
            return self._idle.get_nowait()
        except Empty:
            return _Lane(self._runtime, self._kind, self._n_features)


class _Lane:
    """The buffers of one thread's batches, by their size."""

    def __init__(self, runtime: Any, kind: str, n_features: int) -> None:
        self._runtime = runtime
        self._kind = kind
        self._n_features = n_features
        self._batches: dict[int, _Batch] = {}

    def compute(self, pixels: NDArray[np.uint8], out: NDArray[np.float32], size: int) -> None:
        if size not in self._batches:
            if len(self._batches) == _KEPT_SIZES:
                self._batches.clear()
            self._batches[size] = _Batch(self._runtime, self._kind, size, self._n_features)
        self._batches[size].compute(pixels, out)


class _Batch:
    """The buffers of one batch, bound to a model's input and output."""

    def __init__(self, runtime: Any, kind: str, size: int, n_features: int) -> None:
        allocate = pinned_array if kind == "cuda" else np.zeros
        shape = (size, FACE_SIDE, FACE_SIDE)
        self._runtime = runtime
        self._pixels = allocate(shape, np.uint8)
        self._features = allocate((size, n_features), np.float32)
        # Of an array of the host that is bound, ONNX Runtime would copy to the device once, when it
        # is bound, and never what is written to it later (microsoft/onnxruntime#11133).
        self._input = require_runtime().OrtValue.ortvalue_from_shape_and_type(
            shape, np.uint8, kind, 0
        )
        self._binding = runtime.io_binding()
        self._binding.bind_ortvalue_input("pixels", self._input)
        self._binding.bind_output(
            "features", "cpu", 0, np.float32, self._features.shape, self._features.ctypes.data
        )

    def compute(self, pixels: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
        # A batch with fewer faces is filled up by older ones.
        self._pixels[: len(pixels)] = pixels
        self._input.update_inplace(self._pixels)
        # It returns when the features are in the host's memory.
        self._runtime.run_with_iobinding(self._binding)
        out[:] = self._features[: len(pixels)]


def pinned_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate an array in page-locked memory, which the device copies without the CPU's help.

    Raises
    ------
    DeviceError
        If the driver refuses. `DeviceMemoryError` if it does for lack of memory.
    """
    runtime = require_cuda_library("cudart")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    pointer = ctypes.c_void_p()
    status = runtime.cudaMallocHost(ctypes.byref(pointer), ctypes.c_size_t(size))
    if status != 0 or pointer.value is None:
        kind = DeviceMemoryError if status == _CUDA_OUT_OF_MEMORY else DeviceError
        raise kind(f"CUDA cannot lock {size / 2**20:.1f} MiB of the host's memory (error {status})")
    memory = (ctypes.c_ubyte * size).from_address(pointer.value)
    # At exit the driver may be gone before this memory, and frees it itself.
    weakref.finalize(memory, runtime.cudaFreeHost, pointer).atexit = False
    array: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
    return array
