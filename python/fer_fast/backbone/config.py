"""Which features the backbone computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fer_fast.errors import ParameterError

OPSET = 18
"""The ONNX operator set of exported models; tf2onnx knows none newer."""

Precision = Literal["fp32", "tf32", "fp16"]
"""The arithmetic of a convolution.

fp32 means what it says; the others need CUDA. tf32 rounds the factors of each product to 10 bits of
mantissa; fp16 stores weights and activations in half precision.
"""

MIN_SIZE, MAX_SIZE = 32, 512
"""Keras builds no MobileNetV2 below 32 pixels; beyond 512 a face of 48 gains nothing."""


@dataclass(frozen=True)
class BackboneConfig:
    """What the exported graph computes from a 48x48 face.

    Attributes
    ----------
    size : int
        Height and width in pixels at which MobileNetV2 sees the face; the graph resizes bilinearly.
        The features are its last activations, ``ceil(size / 32) ** 2 * 1280`` of them.
    """

    size: int = 48

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ParameterError(
                f"the backbone's size is {self.size}: choose from {MIN_SIZE} to {MAX_SIZE} pixels"
            )
