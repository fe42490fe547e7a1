"""How ONNX Runtime computes on a CUDA device."""

from __future__ import annotations

import ctypes
import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fer_fast.errors import DeviceError
from fer_fast.runtime.cuda import require_cuda_library
from fer_fast.settings import Precision


def provider_options(precision: Precision) -> dict[str, str]:
    """Return the options of ONNX Runtime's CUDA execution provider."""
    return {
        # Trying every algorithm would be repeated for each new batch size.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Batches are all of one size: growing by powers of two would hold memory for nothing.
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "1" if precision == "tf32" else "0",
    }


def pinned_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Allocate an array in page-locked memory, which the device copies without the CPU's help.

    Raises
    ------
    DeviceError
        If the driver refuses, mostly for lack of memory.
    """
    runtime = require_cuda_library("cudart")
    size = math.prod(shape) * np.dtype(dtype).itemsize
    pointer = ctypes.c_void_p()
    status = runtime.cudaMallocHost(ctypes.byref(pointer), ctypes.c_size_t(size))
    if status != 0 or pointer.value is None:
        raise DeviceError(
            f"CUDA cannot lock {size / 2**20:.0f} MiB of host memory (error {status}): "
            "give a smaller --batch-size"
        )
    memory = (ctypes.c_ubyte * size).from_address(pointer.value)
    # At exit the driver may be gone before this memory, and frees it itself.
    weakref.finalize(memory, runtime.cudaFreeHost, pointer).atexit = False
    array: NDArray[Any] = np.ctypeslib.as_array(memory).view(dtype).reshape(shape)
    return array
