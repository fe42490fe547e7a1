"""The same face, seen a little differently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Movement:
    """Bounds of what chance does to a moved copy; within them all is as likely.

    Attributes
    ----------
    degrees : float
        It is turned by, either way.
    factor : float
        It is enlarged or shrunk by, evenly on a logarithmic scale.
    pixels : float
        It is shifted by, in each direction either way.
    """

    degrees: float
    factor: float
    pixels: float


ALIGNED = Movement(degrees=12, factor=1.12, pixels=4)
"""A face in FER-2013 is centred by a detector; unseen ones differ from it by about as much."""


def training_views(
    pixels: NDArray[np.uint8], moved_copies: int, seed: int, movement: Movement = ALIGNED
) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces, their mirror images, and moved copies of them.

    Parameters
    ----------
    pixels : ndarray of shape (n, side, side), uint8
    moved_copies : int
    seed : int
    movement : Movement
        Of the moved copies.

    Yields
    ------
    ndarray of shape (n, side, side), uint8, C order
        Row i shows face i.
    """
    yield pixels
    yield np.ascontiguousarray(pixels[:, :, ::-1])
    rng = np.random.default_rng(seed)
    for _ in range(moved_copies):
        yield np.stack([_moved(face, movement, rng) for face in pixels])


def _moved(
    face: NDArray[np.uint8], movement: Movement, rng: np.random.Generator
) -> NDArray[np.uint8]:
    side = len(face)
    turn, stretch = np.deg2rad(movement.degrees), np.log(movement.factor)
    angle, log_scale = rng.uniform(-turn, turn), rng.uniform(-stretch, stretch)
    cosine, sine = np.exp(log_scale) * np.array([np.cos(angle), np.sin(angle)])
    mirror = rng.choice([-1, 1])
    linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    centre = np.full(2, side / 2)
    # What the movement brings in from outside continues the border.
    margin = side // 3
    offset = centre + margin + rng.uniform(-movement.pixels, movement.pixels, 2) - linear @ centre
    coefficients = np.column_stack([linear, offset]).ravel().tolist()
    moved = Image.fromarray(np.pad(face, margin, mode="edge")).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(moved)
