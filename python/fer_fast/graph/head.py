"""A trained head: what is left of it once nothing is trained any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.graph.edit import (
    add_constants,
    model_bytes,
    read_model,
    rename_values,
    replace_nodes,
    replace_output,
)

FloatArray = NDArray[np.float32]
Layer = tuple[FloatArray, FloatArray]
"""Weights of shape (n_in, n_out), and a bias of shape (n_out,)."""


@dataclass(frozen=True)
class DenseHead:
    """Dense layers with a rectifier after each.

    Standardisation and batch normalisation are affine maps once they are fitted, so they are part
    of the layers' weights; dropout is gone.

    Attributes
    ----------
    layers : tuple of (ndarray of shape (n_in, n_out), ndarray of shape (n_out,)), float32
        Weights and biases, first layer first. A layer whose ``n_in`` is a fraction of what it is
        given is shared: it sees each run of ``n_in`` values alone.
    """

    layers: tuple[Layer, ...]

    @property
    def n_features(self) -> int:
        """How many activations a face has."""
        return len(self.layers[-1][1])

    def activations(self, X: FloatArray) -> FloatArray:
        """Compute the last layer's activations.

        Parameters
        ----------
        X : ndarray of shape (n_faces, n_in), float32
            The backbone's features.

        Returns
        -------
        ndarray of shape (n_faces, n_features), float32
        """
        for weights, bias in self.layers:
            X = np.maximum(X.reshape(-1, len(weights)) @ weights + bias, np.float32(0))
        return X


def append_heads(backbone: Path, heads: Sequence[DenseHead]) -> bytes:
    """Return the backbone and its heads as one ONNX model, the bytes of its file.

    Its input is the backbone's, ``pixels`` of shape (n, 48, 48), uint8. Its output ``features``,
    float32 (n, n_features), holds the activations of all heads side by side, each the mean of those
    on the face and on its mirror image, which is as good a picture of the same expression.

    Parameters
    ----------
    backbone : Path
        An ONNX file that `fer_fast.backbone.export.export_model` wrote.
    heads : sequence of DenseHead
        At least one.

    Raises
    ------
    FerFastError
        If `backbone` is no ONNX model.
    """
    model = read_model(backbone)
    graph = model.graph
    (pixels,), (output,) = graph.input, graph.output
    rename_values(graph.node, {pixels.name: "head_images", output.name: "head_input"})
    n_features = sum(head.n_features for head in heads)
    dense = [node for member, head in enumerate(heads) for node in _dense(head, member)]
    replace_nodes(
        graph,
        [*_mirroring(pixels.name), *graph.node, *dense, *_mean(len(heads), output.name)],
    )
    constants = {
        "head_from_last": np.array([-1], dtype=np.int64),
        "head_before_first": np.array([np.iinfo(np.int64).min], dtype=np.int64),
        "head_columns": np.array([2], dtype=np.int64),
        "head_pair_shape": np.array([2, -1, n_features], dtype=np.int64),
        "head_pair_axis": np.array([0], dtype=np.int64),
    }
    for member, head in enumerate(heads):
        constants |= _constants(head, member)
    add_constants(graph, constants)
    replace_output(graph, n_features)
    return model_bytes(model)


def _constants(head: DenseHead, member: int) -> dict[str, NDArray[Any]]:
    constants: dict[str, NDArray[Any]] = {}
    for position, (weights, bias) in enumerate(head.layers):
        layer = f"{member}_{position}"
        constants[f"head_weights_{layer}"] = weights
        constants[f"head_bias_{layer}"] = bias
        constants[f"head_shape_{layer}"] = np.array([-1, len(weights)], dtype=np.int64)
    return constants


def _mirroring(pixels: str) -> list[Any]:
    """Return the nodes that put the mirror images after the faces, as ``head_images``."""
    from onnx import helper

    backwards = ["head_from_last", "head_before_first", "head_columns", "head_from_last"]
    return [
        helper.make_node("Slice", [pixels, *backwards], ["head_mirrored"]),
        helper.make_node("Concat", [pixels, "head_mirrored"], ["head_images"], axis=0),
    ]


def _dense(head: DenseHead, member: int) -> list[Any]:
    """Return the nodes from ``head_input``, the backbone's features, to a head's activations."""
    from onnx import helper

    nodes = []
    taken = "head_input"
    for position in range(len(head.layers)):
        layer = f"{member}_{position}"
        flat, total, given = f"head_flat_{layer}", f"head_sum_{layer}", f"head_layer_{layer}"
        nodes += [
            helper.make_node("Reshape", [taken, f"head_shape_{layer}"], [flat]),
            helper.make_node(
                "Gemm", [flat, f"head_weights_{layer}", f"head_bias_{layer}"], [total]
            ),
            helper.make_node("Relu", [total], [given]),
        ]
        taken = given
    return [*nodes, helper.make_node("Identity", [taken], [f"head_member_{member}"])]


def _mean(n_heads: int, output: str) -> list[Any]:
    """Return the nodes from all heads' activations to their means of both images."""
    from onnx import helper

    members = [f"head_member_{member}" for member in range(n_heads)]
    return [
        helper.make_node("Concat", members, ["head_members"], axis=-1),
        helper.make_node("Reshape", ["head_members", "head_pair_shape"], ["head_pair"]),
        helper.make_node("ReduceMean", ["head_pair", "head_pair_axis"], [output], keepdims=0),
    ]
