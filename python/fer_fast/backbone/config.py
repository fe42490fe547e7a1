"""Which features the backbone computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from fer_fast.backbone.architecture import TAPS
from fer_fast.errors import ParameterError
from fer_fast.settings import MAX_SIZE, MIN_SIZE, Pooling

OPSET = 18
"""The ONNX operator set of exported models; tf2onnx knows none newer."""


@dataclass(frozen=True)
class BackboneConfig:
    """What the exported graph computes from a 48x48 face.

    Attributes
    ----------
    size : int
        Height and width in pixels at which MobileNetV2 sees the face; the graph resizes bilinearly.
    taps : tuple of str
        The layers, by their Keras names, whose activations are the features. Those with a finer
        grid are averaged down to the coarsest one's, so that a cell has the channels of all.
    pooling : {"none", "2x2", "global"}
        How the activations are averaged over the grid before they are flattened, cell by cell.
    equalise : bool
        Whether the face's histogram is equalised first, exactly as ``PIL.ImageOps.equalize`` does
        it, against differences in lighting [Shin, Kim and Kwon, "Baseline CNN structure analysis
        for facial expression recognition", RO-MAN 2016].
    """

    size: int = 48
    taps: tuple[str, ...] = ("out_relu",)
    pooling: Pooling = "none"
    equalise: bool = False

    def __post_init__(self) -> None:
        if not MIN_SIZE <= self.size <= MAX_SIZE:
            raise ParameterError(
                f"the backbone's size is {self.size}: choose from {MIN_SIZE} to {MAX_SIZE} pixels"
            )
        if not self.taps or len(set(self.taps)) < len(self.taps):
            raise ParameterError("the backbone's taps are none or repeated: name each layer once")
        for tap in self.taps:
            if tap not in TAPS:
                raise ParameterError(
                    f"the backbone has no tap {tap!r}: name one of {', '.join(TAPS)}"
                )
            if self.pooling == "2x2" and self.size <= TAPS[tap].stride:
                raise ParameterError(
                    f"{tap} has one cell at {self.size} pixels, too few for 2x2 pooling: choose "
                    "another pooling or a larger size"
                )
        if self.pooling not in get_args(Pooling):
            raise ParameterError(
                f"the backbone's pooling is {self.pooling!r}: choose {', '.join(get_args(Pooling))}"
            )

    @property
    def channels(self) -> int:
        """Features of each cell of the grid, which stand together."""
        return sum(TAPS[tap].channels for tap in self.taps)

    @property
    def stride(self) -> int:
        """Pixels of the input from one cell of the grid to the next, before pooling."""
        return max(TAPS[tap].stride for tap in self.taps)
