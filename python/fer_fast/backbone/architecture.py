"""MobileNetV2's tensors: their names, shapes and order, without a framework.

The layer names and the order are those of ``keras.applications.MobileNetV2(include_top=False)``,
width multiplier 1.0; the blocks are table 2 of Sandler et al., "MobileNetV2: Inverted Residuals and
Linear Bottlenecks" (CVPR 2018).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Expansion factor, output channels, repetitions. (Strides do not change a tensor's shape.)
_BLOCKS = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))

_BATCH_NORM = ("gamma", "beta", "moving_mean", "moving_variance")

Layer = tuple[str, dict[str, tuple[int, ...]]]


def _convolution(name: str, norm: str, shape: tuple[int, ...]) -> list[Layer]:
    # A depthwise kernel is (3, 3, channels, 1): its channels are the third axis, not the last.
    channels = shape[3] if shape[3] > 1 else shape[2]
    return [(name, {"kernel": shape}), (norm, dict.fromkeys(_BATCH_NORM, (channels,)))]


def _layers() -> list[Layer]:
    layers = _convolution("Conv1", "bn_Conv1", (3, 3, 3, 32))
    channels, block = 32, 0
    for expansion, out, repetitions in _BLOCKS:
        for _ in range(repetitions):
            prefix = f"block_{block}_" if block else "expanded_conv_"
            inner = channels * expansion
            parts = [("depthwise", (3, 3, inner, 1)), ("project", (1, 1, inner, out))]
            if expansion > 1:
                parts.insert(0, ("expand", (1, 1, channels, inner)))
            for part, shape in parts:
                layers += _convolution(prefix + part, f"{prefix}{part}_BN", shape)
            channels, block = out, block + 1
    return layers + _convolution("Conv_1", "Conv_1_bn", (1, 1, channels, 1280))


LAYERS = tuple(_layers())
"""Each layer that has tensors: its name, and its tensors' names and shapes, in Keras' order."""


def _tap_strides() -> dict[str, int]:
    strides, stride = {"Conv1_relu": 2, "expanded_conv_project_BN": 2}, 2
    block = 0
    for _, _, repetitions in _BLOCKS[1:]:
        for _ in range(repetitions):
            block += 1
            strides[f"block_{block}_expand_relu"] = stride
            # The depthwise convolution is what halves the grid.
            stride *= 2 if block in _HALVING_BLOCKS else 1
            strides[f"block_{block}_depthwise_relu"] = stride
            strides[f"block_{block}_project_BN"] = stride
    return strides | {"out_relu": stride}


_HALVING_BLOCKS = (1, 3, 6, 13)

TAP_STRIDES = _tap_strides()
"""Keras' names of the layers whose activations can be features, each with the pixels per cell of
its grid; a grid is ``ceil(size / stride)`` cells high and wide."""


def tensors_digest(tensors: Sequence[NDArray[np.float32]]) -> str:
    """Return the SHA-256 over the tensors' values, in hexadecimal.

    Parameters
    ----------
    tensors : sequence of ndarray, float32
        In the order of `LAYERS`; hashed as C-ordered little-endian float32.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(np.ascontiguousarray(tensor, dtype="<f4").data)
    return digest.hexdigest()
