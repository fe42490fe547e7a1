"""A backbone whose convolutions pad as cuDNN can."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_fast.graph.edit import (
    add_constants,
    integers,
    model_bytes,
    read_model,
    replace_nodes,
    set_input,
    set_integers,
)

KEEP_EXPLICIT_PADDING = ("optimization.disable_specified_optimizers", "Pad_Fusion")
"""The entry of a session's configuration that stops ONNX Runtime from undoing
`with_explicit_padding`."""


def with_explicit_padding(model: Path) -> bytes:
    """Return `model` with steps of their own for padding that differs from side to side.

    TensorFlow pads an image of even size after its end alone where the stride is 2. ONNX Runtime
    hands such a convolution to cuDNN as it is, which on some devices has no algorithm for it
    (https://github.com/microsoft/onnxruntime/issues/26274).

    Raises
    ------
    FerFastError
        If `model` is no ONNX model.
    """
    proto = read_model(model)

    from onnx import helper

    nodes = []
    for node in proto.graph.node:
        pads = integers(node, "pads") if node.op_type == "Conv" else []
        before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
        if before != after:
            # Images and channels, the first two dimensions, get none.
            sides = np.array([0, 0, *before, 0, 0, *after], dtype=np.int64)
            name, padded = f"{node.output[0]}_pads", f"{node.output[0]}_padded"
            add_constants(proto.graph, {name: sides})
            nodes.append(helper.make_node("Pad", [node.input[0], name], [padded]))
            set_input(node, 0, padded)
            set_integers(node, "pads", [0] * len(pads))
        nodes.append(node)
    replace_nodes(proto.graph, nodes)
    return model_bytes(proto)
