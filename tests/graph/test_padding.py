from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from fer_fast.errors import FerFastError
from fer_fast.graph.fp16 import half_precision
from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING, with_explicit_padding
from fer_fast.runtime.session import open_session


def _uneven(model: Any) -> list[str]:
    """Return the convolutions that pad one side more than the other."""
    return [
        node.name
        for node in model.graph.node
        if "Conv" in node.op_type
        for attribute in node.attribute
        if attribute.name == "pads" and attribute.ints[:2] != attribute.ints[2:]
    ]


def _optimised(source: Path | bytes, out: Path, *entries: tuple[str, str]) -> Any:
    """Return the session, and the model that ONNX Runtime made of `source` for it."""
    options = onnxruntime.SessionOptions()
    # Beyond it, the layout of the CPU is written too.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(out)
    for entry in entries:
        options.add_session_config_entry(*entry)
    runtime = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return runtime, onnx.load(out)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_convolution_pads_evenly_and_the_features_stay(
    random_model: Path, faces: NDArray[np.uint8], tmp_path: Path, precision: str
) -> None:
    model = random_model
    if precision == "fp16":
        model = tmp_path / "half.onnx"
        model.write_bytes(half_precision(random_model))
    _, before = _optimised(model, tmp_path / "before.onnx")
    assert len(_uneven(before)) == 4
    runtime, after = _optimised(
        with_explicit_padding(model), tmp_path / "after.onnx", KEEP_EXPLICIT_PADDING
    )
    assert _uneven(after) == []
    (features,) = runtime.run(None, {"pixels": faces})
    expected = open_session(model, "cpu").features(faces)
    assert np.abs(features - expected).max() <= (1e-3 if precision == "fp32" else 1e-2)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    for name in ("no.onnx", "missing.onnx"):
        with pytest.raises(FerFastError, match=f"{name} is no model"):
            with_explicit_padding(tmp_path / name)
