"""Cutting a found face out of its picture, framed as the model's training faces are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

FACE_SIDE = 48
"""Side of the faces that a model takes, in pixels."""

RESAMPLING = Image.Resampling.LANCZOS
"""Keeps most of what a model sees where the square's edges lie between pixels; see the bench."""


@dataclass(frozen=True)
class Framing:
    """Where the square that a model sees lies around a detected box.

    Attributes
    ----------
    side : float
        The square's side over the box's width, which of the detector's lengths varies least
        against it.
    centre : tuple of float
        The square's centre less the box's, right and down, over the square's side.
    """

    side: float
    centre: tuple[float, float]

    def square(self, box: ArrayLike) -> tuple[float, float, float]:
        """Return left, top and side of the square around a box (left, top, width, height)."""
        left, top, width, height = map(float, np.asarray(box))
        side = self.side * width
        return (
            left + width / 2 + side * (self.centre[0] - 0.5),
            top + height / 2 + side * (self.centre[1] - 0.5),
            side,
        )


FER2013 = Framing(side=1.236, centre=(-0.002, -0.007))
"""FER-2013's framing around YuNet's boxes, fitted by ``bench/framing.py``."""


def face_crop(
    grey: Image.Image, square: tuple[float, float, float], size: int = FACE_SIDE
) -> NDArray[np.uint8]:
    """Cut a square out of a picture.

    Parameters
    ----------
    grey : PIL.Image.Image of mode L
    square : tuple of float
        Left, top and side, in pixels; what of it lies beyond the picture repeats the picture's
        border.
    size : int, default=48
        Side of the crop, in pixels.

    Returns
    -------
    ndarray of shape (size, size), uint8
    """
    left, top, side = square
    side = max(side, 1.0)
    first = (math.floor(left), math.floor(top))
    last = (math.ceil(left + side), math.ceil(top + side))
    columns = np.arange(first[0], last[0]).clip(0, grey.width - 1)
    rows = np.arange(first[1], last[1]).clip(0, grey.height - 1)
    near = grey.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    pixels = np.asarray(near)[np.ix_(rows - rows[0], columns - columns[0])]
    region = (left - first[0], top - first[1], left - first[0] + side, top - first[1] + side)
    resized = Image.fromarray(pixels).resize((size, size), RESAMPLING, box=region)
    return np.asarray(resized)
