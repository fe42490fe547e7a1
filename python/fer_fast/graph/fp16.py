"""A backbone in half precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_fast.errors import ParameterError
from fer_fast.graph.edit import (
    add_constants,
    constants,
    model_bytes,
    order_constants,
    read_model,
    rename_values,
    replace_nodes,
)
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import Cache, Entry
from fer_fast.storage.files import file_digest

_REVISION = 2
"""Counts changes of `half_precision` that change its result."""

_CONVOLUTIONS_OF_FIRST_BLOCK = 3
"""Conv1, and the depthwise and pointwise convolutions of ``expanded_conv``."""


def cached_half(model: Path, *, reporter: Reporter = SILENT) -> Path:
    """Return `model` in half precision from the cache, converting it first if need be.

    Raises
    ------
    ParameterError
        If the model ends in the backbone's first block, which stays in single precision.
    OutputError
        If the converted model cannot be written.
    """
    key = {"model": file_digest(model), "revision": _REVISION}

    def convert() -> bytes:
        reporter.note("backbone: converting to half precision")
        return half_precision(model)

    return Cache(reporter).get_or_make(
        Entry("models", "mobilenet-v2-fp16", key, ".onnx"), lambda file: file.write(convert())
    )


def half_precision(model: Path) -> bytes:
    """Return an exported model with float16 weights and activations.

    Pixels still come in as uint8, and features still go out as float32.

    Raises
    ------
    FerFastError
        If `model` is no ONNX model.
    ParameterError
        If the model ends in the backbone's first block, which stays in single precision.
    """
    proto = read_model(model)

    from onnx import TensorProto, helper

    graph = proto.graph
    nodes, features = list(graph.node), graph.output[0].name
    convolutions = [at for at, node in enumerate(nodes) if node.op_type == "Conv"]
    if len(convolutions) <= _CONVOLUTIONS_OF_FIRST_BLOCK:
        raise ParameterError(
            f"{model} ends in the backbone's first block, which precision fp16 leaves as it is: "
            "choose another precision or a later tap"
        )
    split = convolutions[_CONVOLUTIONS_OF_FIRST_BLOCK]
    first_block, rest = nodes[:split], nodes[split:]

    read = {name for node in rest for name in node.input}
    activations = sorted(read & {name for node in first_block for name in node.output})
    single = {
        name: value
        for name, value in constants(graph).items()
        if name in read and value.dtype == np.float32
    }
    half = {name: f"{name}_half" for name in [*activations, *single, features]}
    rename_values(rest, half)
    to_half = [
        helper.make_node("Cast", [name], [half[name]], to=TensorProto.FLOAT16)
        for name in activations
    ]
    to_single = helper.make_node("Cast", [half[features]], [features], to=TensorProto.FLOAT)
    replace_nodes(graph, [*first_block, *to_half, *rest, to_single])
    add_constants(graph, {half[name]: value.astype(np.float16) for name, value in single.items()})
    order_constants(graph)
    return model_bytes(proto)
