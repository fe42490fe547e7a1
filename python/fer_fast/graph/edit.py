"""Reading, changing and writing ONNX models: the only file that touches protobuf's lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import FerFastError


def read_model(path: Path) -> Any:
    """Return the ``onnx.ModelProto`` of a file.

    Raises
    ------
    FerFastError
        If the file cannot be read or is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(path)
    except (OSError, DecodeError) as error:
        raise FerFastError(f"{path} is no model that ONNX Runtime can open ({error})") from error


def model_bytes(model: Any) -> bytes:
    """Return a model as the bytes of its file, the same for equal models."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def replace_nodes(graph: Any, nodes: Iterable[Any]) -> None:
    """Have a graph consist of `nodes`, in their order."""
    ordered = list(nodes)
    del graph.node[:]
    graph.node.extend(ordered)


def rename_values(nodes: Iterable[Any], names: Mapping[str, str]) -> None:
    """Rename what nodes take and give; what `names` lacks keeps its name."""
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def set_input(node: Any, position: int, name: str) -> None:
    """Have a node take the value `name` as its input at `position`."""
    node.input[position] = name


def integers(node: Any, attribute: str) -> list[int]:
    """Return an attribute that is a list of integers, empty if the node has none such."""
    return [number for one in node.attribute if one.name == attribute for number in one.ints]


def set_integers(node: Any, attribute: str, numbers: Sequence[int]) -> None:
    """Change an attribute that is a list of integers."""
    for one in node.attribute:
        if one.name == attribute:
            one.ints[:] = numbers


def constants(graph: Any) -> dict[str, NDArray[Any]]:
    """Return a graph's constants by name."""
    from onnx import numpy_helper

    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def add_constants(graph: Any, values: Mapping[str, NDArray[Any]]) -> None:
    """Give a graph constants of the arrays' types and shapes."""
    from onnx import numpy_helper

    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()
    )


def order_constants(graph: Any, names: Mapping[str, str] | None = None) -> None:
    """Order the constants by their first use, and drop those that no node takes.

    Parameters
    ----------
    graph : onnx.GraphProto
    names : mapping of str to str or None
        New names of constants, which the nodes use already.
    """
    known = {}
    for constant in graph.initializer:
        constant.name = (names or {}).get(constant.name, constant.name)
        known[constant.name] = constant
    used = dict.fromkeys(name for node in graph.node for name in node.input)
    ordered = [known[name] for name in used if name in known]
    del graph.initializer[:]
    graph.initializer.extend(ordered)


def replace_output(graph: Any, width: int) -> None:
    """Have the only output be float32 (n, width), under its old name.

    The shapes noted inside the graph go: they were those of the old nodes.
    """
    from onnx import TensorProto, helper

    (output,) = graph.output
    shape: list[str | int | None] = ["n", width]
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.FLOAT, shape))
    del graph.value_info[:]


def name_first_dimension(value: Any, name: str) -> None:
    """Name the first dimension of an input or output."""
    value.type.tensor_type.shape.dim[0].dim_param = name
