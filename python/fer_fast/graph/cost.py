"""What a model costs to run."""

from __future__ import annotations

import math
from pathlib import Path

from fer_fast.graph.edit import read_model

_STEPS_HELD = 4
"""How many times its largest step a model holds in ONNX Runtime's arena, all activations in all.

tests/runtime/test_on_stand_ins.py holds it against the arena."""


def face_bytes(model: Path) -> int:
    """Estimate the bytes of memory that a model holds for each face of a batch.

    The largest step, by the bytes that it reads and writes of one face, times `_STEPS_HELD`.
    """
    proto = read_model(model)

    from onnx import helper, shape_inference

    # With one face every shape is known, even where views of it are stacked.
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(proto).graph
    sizes: dict[str, int] = {
        value.name: math.prod(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        * helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).itemsize
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    steps = (sum(sizes.get(name, 0) for name in (*node.input, *node.output)) for node in graph.node)
    # An empty file is a model without a step, which whoever opens it refuses.
    return _STEPS_HELD * max(steps, default=1)
