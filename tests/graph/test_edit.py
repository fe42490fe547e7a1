from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fer_fast.errors import FerFastError
from fer_fast.graph import edit


@pytest.fixture
def model() -> Any:
    """Return a model of (x * scale + shift) with a constant that nobody uses."""
    constants = {"shift": 1.0, "unused": 9.0, "scale": 3.0}
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "scale"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shift"], ["y"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.float32([v]), name) for name, v in constants.items()],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def computed(model: Any, out: str = "y") -> Any:
    runtime = onnxruntime.InferenceSession(edit.model_bytes(model))
    return runtime.run([out], {"x": np.float32([[1, 2]])})[0].tolist()


def test_constants_come_by_first_use_and_the_unused_go(model: Any) -> None:
    edit.order_constants(model.graph)
    assert list(edit.constants(model.graph)) == ["scale", "shift"]
    assert computed(model) == [[4, 7]]


def test_a_value_is_renamed_wherever_it_is_given_or_taken(model: Any) -> None:
    names = {"scaled": "product", "scale": "factor"}
    edit.rename_values(model.graph.node, names)
    edit.order_constants(model.graph, names)
    onnx.checker.check_model(model, full_check=True)
    assert list(edit.constants(model.graph)) == ["factor", "shift"]
    assert computed(model) == [[4, 7]]


def test_nodes_are_replaced_and_constants_added(model: Any) -> None:
    edit.add_constants(model.graph, {"two": np.float32([2])})
    doubling = helper.make_node("Mul", ["x", "two"], ["y"])
    edit.replace_nodes(model.graph, [doubling])
    edit.order_constants(model.graph)
    assert list(edit.constants(model.graph)) == ["two"]
    assert computed(model) == [[2, 4]]


def test_equal_models_are_equal_bytes_and_survive_a_file(model: Any, tmp_path: Path) -> None:
    helper.set_model_props(model, {str(number): "x" for number in range(50)})
    (tmp_path / "model.onnx").write_bytes(edit.model_bytes(model))
    assert edit.model_bytes(edit.read_model(tmp_path / "model.onnx")) == edit.model_bytes(model)


def test_a_list_of_integers_is_read_and_changed() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 0, 1, 1])
    assert edit.integers(node, "pads") == [0, 0, 1, 1]
    assert edit.integers(node, "strides") == []
    edit.set_integers(node, "pads", [0, 0, 0, 0])
    assert edit.integers(node, "pads") == [0, 0, 0, 0]


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    for name in ("no.onnx", "missing.onnx"):
        with pytest.raises(FerFastError, match=f"{name} is no model"):
            edit.read_model(tmp_path / name)
