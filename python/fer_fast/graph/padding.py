"""A backbone whose convolutions pad as cuDNN can."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_fast.errors import FerFastError

KEEP_PADDING_APART = ("optimization.disable_specified_optimizers", "Pad_Fusion")
"""The entry of a session's configuration that stops ONNX Runtime from undoing `padded_apart`."""


def padded_apart(model: Path) -> bytes:
    """Return `model` with steps of their own for padding that differs from side to side.

    TensorFlow pads an image of even size after its end alone where the stride is 2. ONNX Runtime
    hands such a convolution to cuDNN as it is, which on some devices has no algorithm for it
    (https://github.com/microsoft/onnxruntime/issues/26274).

    Raises
    ------
    FerFastError
        If `model` is no ONNX model.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import helper, numpy_helper

    try:
        proto = onnx.load(model)
    except (OSError, DecodeError) as error:
        raise FerFastError(f"{model} is no model that ONNX Runtime can open ({error})") from error
    graph = proto.graph
    nodes = []
    for node in graph.node:
        for pads in (a.ints for a in node.attribute if node.op_type == "Conv" and a.name == "pads"):
            before, after = pads[: len(pads) // 2], pads[len(pads) // 2 :]
            if before != after:
                # Images and channels, the first two dimensions, get none.
                sides = np.array([0, 0, *before, 0, 0, *after], dtype=np.int64)
                name, padded = f"{node.output[0]}_pads", f"{node.output[0]}_padded"
                graph.initializer.append(numpy_helper.from_array(sides, name))
                nodes.append(helper.make_node("Pad", [node.input[0], name], [padded]))
                node.input[0] = padded
                pads[:] = [0] * len(pads)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    content: bytes = proto.SerializeToString()
    return content
