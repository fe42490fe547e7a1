"""Whether this machine can compute on CUDA, what it lacks if not, and the options if so.

Every piece is tried by loading it: what ONNX Runtime says of itself without trying, its list of
providers and its device, is the same on a machine without a GPU.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from fer_fast.environment import PIP
from fer_fast.errors import DeviceError
from fer_fast.settings import Precision

INSTALL_RUNTIME = (
    f"run `{PIP} uninstall onnxruntime onnxruntime-gpu` and "
    f"`{PIP} install 'onnxruntime-gpu[cuda,cudnn]'`"
)
"""Both distributions fill the same folder: removing one alone would break the other."""

CUDA_MAJOR = 13
"""The CUDA that ONNX Runtime 1.29 and later are built for."""

COMPILED_FOR = ((7, 5), (8, 0), (9, 0), (12, 0))
"""The compute capabilities that ONNX Runtime's wheels hold code for, each good for later minors.

They hold none that a driver could compile for others: on those the first kernel would fail.
"""

CUDA_LIBRARIES = {
    "cudart": ("libcudart.so.13", "nvidia-cuda-runtime"),
    "cublasLt": ("libcublasLt.so.13", "nvidia-cublas"),
    "cublas": ("libcublas.so.13", "nvidia-cublas"),
    "curand": ("libcurand.so.10", "nvidia-curand"),
    "cudnn": ("libcudnn.so.9", "nvidia-cudnn-cu13"),
}
"""What a convolution of ONNX Runtime needs on CUDA: the file, and the wheel that brings it."""


@dataclass(frozen=True)
class CudaDevice:
    """The first CUDA device.

    Attributes
    ----------
    name : str
    memory_bytes : int
    driver_cuda : tuple of int
        Major and minor version of the newest CUDA that the driver supports.
    capability : tuple of int
        Major and minor version of its compute capability.
    """

    name: str
    memory_bytes: int
    driver_cuda: tuple[int, int]
    capability: tuple[int, int]


def require_cuda() -> str:
    """Return the first CUDA device's name, if ONNX Runtime can compute on it.

    Raises
    ------
    DeviceError
        If a piece is missing: ONNX Runtime's CUDA build, the driver, a device, or a CUDA or cuDNN
        library.
    """
    require_cuda_build()
    device = require_cuda_device()
    for library in CUDA_LIBRARIES:
        require_cuda_library(library)
    require_cuda_provider()
    return device.name


def require_runtime() -> Any:
    """Return the module ``onnxruntime``, or raise `DeviceError` if it is missing or damaged."""
    try:
        # It reports its use to its makers unless told not to before it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        # What an uninstalled wheel leaves behind is imported too, as a package without contents.
        _ = onnxruntime.InferenceSession
    except (ImportError, AttributeError) as error:
        raise DeviceError(f"ONNX Runtime cannot be used ({error})", hint=INSTALL_RUNTIME) from error
    return onnxruntime


def provider_options(precision: Precision) -> dict[str, str]:
    """Return the options of ONNX Runtime's CUDA execution provider."""
    return {
        # Trying every algorithm would be repeated for each new batch size.
        "cudnn_conv_algo_search": "HEURISTIC",
        # Batches are all of one size: growing by powers of two would hold memory for nothing.
        "arena_extend_strategy": "kSameAsRequested",
        # Without it, ONNX Runtime bars tensor cores from half precision too. With it, what fp16
        # leaves in single precision, the first block, is rounded to TF32 where cuDNN chooses so.
        "use_tf32": "0" if precision == "fp32" else "1",
    }


def require_cuda_build() -> None:
    """Raise `DeviceError` if the installed ONNX Runtime was built without CUDA."""
    if "CUDAExecutionProvider" not in require_runtime().get_available_providers():
        raise DeviceError("the installed ONNX Runtime is built without CUDA", hint=INSTALL_RUNTIME)


def require_cuda_device() -> CudaDevice:
    """Return the first CUDA device, or raise `DeviceError` if there is no driver or device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise DeviceError(
            "the NVIDIA driver is missing (libcuda.so.1 cannot be loaded)",
            hint="install the driver, or start the container with its GPU (--gpus all)",
        ) from error
    device, number, memory = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number))
    if status != 0 or number.value == 0:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise DeviceError(
            f"the NVIDIA driver shows no usable device (CUDA error {status})",
            hint="check nvidia-smi"
            + ("" if visible is None else f" and CUDA_VISIBLE_DEVICES, which is {visible!r}"),
        )
    driver.cuDriverGetVersion(ctypes.byref(number))
    version = (number.value // 1000, number.value % 1000 // 10)
    if version[0] < CUDA_MAJOR:
        raise DeviceError(
            f"the NVIDIA driver supports CUDA {version[0]}.{version[1]} and ONNX Runtime needs "
            f"CUDA {CUDA_MAJOR}",
            hint="update the driver",
        )
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGet(ctypes.byref(device), 0)
    driver.cuDeviceGetName(name, len(name), device)
    driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    capability = (
        _attribute(driver, _CAPABILITY_MAJOR, device),
        _attribute(driver, _CAPABILITY_MINOR, device),
    )
    if not any(major == capability[0] and minor <= capability[1] for major, minor in COMPILED_FOR):
        known = ", ".join(f"{major}.{minor}" for major, minor in COMPILED_FOR)
        raise DeviceError(
            f"{name.value.decode()} has compute capability {capability[0]}.{capability[1]}, and "
            f"ONNX Runtime's wheels hold code for {known} and later minors of each",
            hint="use another GPU, or --device cpu",
        )
    return CudaDevice(name.value.decode(), memory.value, version, capability)


_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""Of the driver's enumeration CUdevice_attribute."""


def _attribute(driver: ctypes.CDLL, attribute: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    return value.value


def free_memory() -> int:
    """Return the bytes that are free on the first CUDA device.

    Raises
    ------
    DeviceError
        If CUDA's runtime library is missing, or the device does not answer.
    """
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    status = require_cuda_library("cudart").cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))
    if status != 0:
        raise DeviceError(
            f"the CUDA device does not answer (error {status})", hint="check nvidia-smi"
        )
    return free.value


def require_cuda_library(library: str) -> ctypes.CDLL:
    """Load one of `CUDA_LIBRARIES`, or raise `DeviceError` if it is missing."""
    _preload()
    file, wheel = CUDA_LIBRARIES[library]
    try:
        return ctypes.CDLL(file)
    except OSError as error:
        raise DeviceError(
            f"a library of CUDA is missing ({error})",
            hint=f"run `{PIP} install 'onnxruntime-gpu[cuda,cudnn]'`, which brings {wheel}",
        ) from error


def require_cuda_provider() -> None:
    """Load ONNX Runtime's CUDA part, or raise `DeviceError` with the loader's reason.

    ONNX Runtime itself would write the reason to the terminal and go on without CUDA.
    """
    # Imported first: without ONNX Runtime in the process, loading its CUDA part ends the process by
    # a segmentation fault.
    folder = Path(require_runtime().__file__).parent / "capi"
    try:
        # The second finds symbols of the first only if they are global.
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        raise DeviceError(
            f"ONNX Runtime's CUDA part cannot be loaded ({error})",
            hint=f"run `{PIP} install 'onnxruntime-gpu[cuda,cudnn]'`, and update the NVIDIA driver "
            "if that is not enough",
        ) from error


@cache
def _preload() -> None:
    """Load the CUDA libraries of the nvidia-* wheels, wherever they are installed."""
    runtime = require_runtime()
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(root) for root in (spec and spec.submodule_search_locations) or ()]
    folders = [folder for root in roots for folder in sorted(root.glob("*/lib"))]
    # It prints what a folder does not hold; what is missing in the end is ours to say.
    with redirect_stdout(StringIO()):
        for folder in folders:
            runtime.preload_dlls(directory=str(folder))
