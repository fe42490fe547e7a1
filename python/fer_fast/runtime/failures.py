"""What ONNX Runtime's exceptions say, and which of them more memory would mend."""

from __future__ import annotations

import re
from functools import cache

from fer_fast.errors import DeviceError

_FAILURE = re.compile(
    # Of CUDA, cuDNN or cuBLAS: "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0 ; ..."
    r"\w+ failure \d+: [^;]*|Failed to allocate memory.*"
)
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_MEMORY = re.compile(r"failed to allocate memory|out of memory|ALLOC_FAILED", re.IGNORECASE)


class DeviceMemoryError(DeviceError):
    """The device, or the host's page-locked memory, has no room for a batch."""


@cache
def onnxruntime_errors() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's exceptions, which share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    # A failure to set the device up comes as a plain RuntimeError, and one whose message quotes a
    # name of the model that is no text as what Python says of that.
    return (
        RuntimeError,
        UnicodeDecodeError,
        *(kind for kind in own if issubclass(kind, Exception)),
    )


def reason(error: Exception) -> str:
    """Return what a reader can use of an error that quotes its C++ signatures first."""
    message = str(error).strip()
    failure = _FAILURE.search(message)
    line = failure[0].strip() if failure else next(iter(message.splitlines()), "no reason given")
    return _PREFIX.sub("", line).rstrip(".")


def device_error(error: Exception, task: str) -> DeviceError:
    """Return what a failure of ONNX Runtime means: `DeviceMemoryError` where memory ran out."""
    kind = DeviceMemoryError if _MEMORY.search(str(error)) else DeviceError
    return kind(f"{task} ({reason(error)})")
