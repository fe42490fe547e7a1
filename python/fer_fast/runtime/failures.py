"""What ONNX Runtime raises, and what of it a reader can use."""

from __future__ import annotations

import re


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's exceptions, which share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [value for value in vars(state).values() if isinstance(value, type)]
    # A failure to set the device up comes as a plain RuntimeError.
    return (RuntimeError, *(kind for kind in own if issubclass(kind, Exception)))


def reason(error: Exception) -> str:
    """Return what a reader can use of an error that quotes its C++ signatures first."""
    message = str(error).strip() or type(error).__name__
    # Of CUDA, cuDNN or cuBLAS: "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0 ; ..."
    failure = re.search(r"\w+ failure \d+: [^;]*|Failed to allocate memory.*", message)
    line = failure[0].strip() if failure else message.splitlines()[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line).rstrip(".")
