"""ONNX Runtime for prediction: how its sessions are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer_fast.errors import FerFastError
from fer_fast.runtime.cuda import require_runtime
from fer_fast.runtime.failures import onnxruntime_errors, reason

_WARNING, _FATAL = 2, 4
"""ONNX Runtime's log levels: its default, and the one that writes nothing past our messages."""


class ModelError(FerFastError):
    """A model file is missing, damaged, or none that fer-fast wrote."""


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
    options = require_runtime().SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    # A waiting thread that spins takes a core from whoever shares the machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Planned memory is kept for each size of input, and pictures come in many.
    options.enable_mem_pattern = False
    return options


def open_session(model: Path, options: Any, providers: list[Any]) -> Any:
    """Open a model with the given options and providers, or raise `ModelError`."""
    runtime = require_runtime()
    if not model.is_file():
        raise ModelError(f"there is no model {model}", hint="give the path of a model.onnx")
    # The session's own level is not yet in force while its provider is made.
    runtime.set_default_logger_severity(_FATAL)
    try:
        return runtime.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except onnxruntime_errors() as error:
        raise ModelError(
            f"{model} is no model that ONNX Runtime can open ({reason(error)})",
            hint="give a model.onnx that `fer-fast pipeline --out` wrote",
        ) from error
    finally:
        runtime.set_default_logger_severity(_WARNING)
