"""ONNX Runtime for prediction: opening a model, and what opening and running one can raise."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from fer_fast.errors import DeviceError, FerFastError

_FATAL = 4
"""ONNX Runtime's log level that writes nothing past our own messages."""


class ModelError(FerFastError):
    """A model file is missing, damaged, or none that fer-fast wrote."""


def import_runtime() -> Any:
    """Return the module ``onnxruntime``, with its telemetry switched off.

    Raises
    ------
    DeviceError
        If it is missing or damaged.
    """
    # It is on by default since 1.29, and read once, when the module is imported.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime

        # What an uninstalled wheel leaves behind is imported too, as a package without contents.
        _ = onnxruntime.InferenceSession
    except (ImportError, AttributeError) as error:
        raise DeviceError(
            f"ONNX Runtime cannot be used ({error}): install it again with "
            "`pip install --force-reinstall fer-fast`"
        ) from error
    return onnxruntime


def open_on_cpu(model: Path, *, threads: int = 1) -> Any:
    """Open a model on the CPU.

    Parameters
    ----------
    model : Path
    threads : int, default=1
        Threads inside one call of the model.

    Returns
    -------
    onnxruntime.InferenceSession

    Raises
    ------
    ModelError
        If the file is missing or ONNX Runtime cannot open it.
    """
    return open_session(model, session_options(threads), ["CPUExecutionProvider"])


def session_options(threads: int) -> Any:
    """Return options for a session with `threads` threads that sleep between two calls."""
    options = import_runtime().SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    # A waiting thread that spins takes a core from whoever shares the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Planned memory is kept for each size of input, and pictures come in many.
    options.enable_mem_pattern = False
    return options


def open_session(model: Path, options: Any, providers: list[Any]) -> Any:
    """Open a model with the given options and providers, or raise `ModelError`."""
    runtime = import_runtime()
    if not model.is_file():
        raise ModelError(f"there is no model {model}: give the path of a model.onnx")
    runtime.set_default_logger_severity(_FATAL)
    try:
        return runtime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except runtime_errors() as error:
        raise ModelError(
            f"{model} is no model that ONNX Runtime can open ({reason(error)}): "
            "give a model.onnx that `fer-fast pipeline --out` wrote"
        ) from error
    finally:
        runtime.set_default_logger_severity(2)


def runtime_errors() -> tuple[type[Exception], ...]:
    """Return ONNX Runtime's exceptions, which share no base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = (value for value in vars(state).values() if isinstance(value, type))
    # A failure to set a device up comes as a plain RuntimeError.
    return (RuntimeError, *(kind for kind in own if issubclass(kind, Exception)))


def reason(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says, less its numbers."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line).rstrip(".")
