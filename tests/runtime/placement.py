"""Where ONNX Runtime's profiler saw each node of a model run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from fer_fast.graph.fp16 import cached_half
from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING, with_explicit_padding
from fer_fast.runtime.cuda import provider_options
from fer_fast.settings import Precision


def on_cuda(precision: Precision) -> list[Any]:
    """Return the providers of the product's session on CUDA, and the CPU for what they lack."""
    return [("CUDAExecutionProvider", provider_options(precision)), "CPUExecutionProvider"]


def placed_nodes(
    model: Path, precision: Precision, providers: list[Any], folder: Path
) -> list[tuple[str, str]]:
    """Run a model on three faces; return each node's operator and provider."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.log_severity_level = 4
    options.add_session_config_entry(*KEEP_EXPLICIT_PADDING)
    source = cached_half(model) if precision == "fp16" else model
    runtime = onnxruntime.InferenceSession(
        with_explicit_padding(source), options, providers=providers
    )
    runtime.run(None, {"pixels": np.zeros((3, 48, 48), dtype=np.uint8)})
    events = json.loads(Path(runtime.end_profiling()).read_text())
    return [
        (event["args"]["op_name"], event["args"]["provider"])
        for event in events
        if event["cat"] == "Node" and event["args"].get("provider")
    ]
