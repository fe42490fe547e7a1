"""Whether this machine can compute on CUDA, and what it lacks if not."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

from fer_fast.errors import DeviceError

_PIP = f"{sys.executable} -m pip"

CUDA_FIX = f"run `{_PIP} install 'onnxruntime-gpu[cuda,cudnn]'`"

_CUDNN = "libcudnn.so.9"


def usable_cpus() -> int:
    """Return how many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_cuda() -> str:
    """Return the first CUDA device's name, if ONNX Runtime can compute on it.

    Every piece is tried by loading it: what ONNX Runtime says of itself without trying (its list of
    providers, its device) is the same on a machine without a GPU.

    Raises
    ------
    DeviceError
        If a piece is missing: ONNX Runtime's CUDA build, the driver, a device, or a CUDA or cuDNN
        library.
    """
    require_cuda_build()
    name = require_cuda_device()
    require_cuda_libraries()
    return name


def require_cuda_build() -> None:
    """Raise `DeviceError` if the installed ONNX Runtime was built without CUDA."""
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        raise DeviceError(
            "the installed ONNX Runtime is built without CUDA: run "
            f"`{_PIP} uninstall onnxruntime` and `{_PIP} install 'onnxruntime-gpu[cuda,cudnn]'`"
        )


def require_cuda_device() -> str:
    """Return the first CUDA device's name; raise `DeviceError` without a driver or device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise DeviceError(
            "the NVIDIA driver is missing (libcuda.so.1 cannot be loaded): install the driver, or "
            "start the container with its GPU (--gpus all)"
        ) from error
    device, count, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value == 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise DeviceError(
            f"the NVIDIA driver shows no usable device (CUDA error {status}): check nvidia-smi"
            + ("" if visible is None else f" and CUDA_VISIBLE_DEVICES, which is {visible!r}")
        )
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    return name.value.decode()


@cache
def _preload() -> None:
    import onnxruntime

    # It finds the libraries of the nvidia-* wheels, and prints what it does not find.
    with redirect_stdout(StringIO()):
        onnxruntime.preload_dlls()


def require_cuda_libraries() -> None:
    """Load ONNX Runtime's CUDA provider and cuDNN; raise `DeviceError` naming what is missing."""
    import onnxruntime

    _preload()
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        for library in ("libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"):
            ctypes.CDLL(str(folder / library))
        # The provider loads cuDNN only at the first convolution.
        ctypes.CDLL(_CUDNN)
    except OSError as error:
        raise DeviceError(f"a CUDA library is missing ({error}): {CUDA_FIX}") from error
