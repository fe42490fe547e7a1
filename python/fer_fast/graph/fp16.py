"""A backbone in half precision."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from fer_fast.errors import ParameterError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import is_intact, seal
from fer_fast.storage.files import cache_dir, file_digest, written_whole

_REVISION = 1
"""Counts changes of `write_half` that change its result."""

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
    key = hashlib.sha256(f"{file_digest(model)} {_REVISION}".encode()).hexdigest()[:16]
    path = cache_dir("models") / f"fp16-{key}-{model.name}"
    if not is_intact(path, reporter):
        reporter.note("backbone: converting to half precision")
        write_half(model, path)
        seal(path)
    return path


def write_half(model: Path, out: Path) -> None:
    """Write an exported model with float16 weights and activations.

    Pixels still come in as uint8, and features still go out as float32.

    Raises
    ------
    ParameterError
        If the model ends in the backbone's first block, which stays in single precision.
    OutputError
        If `out` cannot be written.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load(model)
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
    constants = [
        constant
        for constant in graph.initializer
        if constant.name in read and constant.data_type == TensorProto.FLOAT
    ]
    half = {name: f"{name}_half" for name in [*activations, *(c.name for c in constants), features]}
    for node in rest:
        node.input[:] = [half.get(name, name) for name in node.input]
        node.output[:] = [half.get(name, name) for name in node.output]
    to_half = [
        helper.make_node("Cast", [name], [half[name]], to=TensorProto.FLOAT16)
        for name in activations
    ]
    to_single = helper.make_node("Cast", [half[features]], [features], to=TensorProto.FLOAT)
    del graph.node[:]
    graph.node.extend([*first_block, *to_half, *rest, to_single])

    halved = [
        numpy_helper.from_array(numpy_helper.to_array(c).astype(np.float16), half[c.name])
        for c in constants
    ]
    used = {name for node in graph.node for name in node.input}
    kept = [constant for constant in graph.initializer if constant.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *halved])
    with written_whole(out) as temporary:
        temporary.write_bytes(proto.SerializeToString(deterministic=True))
