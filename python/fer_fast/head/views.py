"""The same face, seen a little differently."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_TURN = np.deg2rad(12)
_SCALE = np.log(1.12)
_SHIFT = 4.0
"""Bounds of a moved copy: radians, logarithm of the factor, pixels. A face in FER-2013 is centred
by a detector, so that unseen ones differ from it by about as much."""


def training_views(
    pixels: NDArray[np.uint8], moved_copies: int, seed: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces, their mirror images, and moved copies of them.

    Parameters
    ----------
    pixels : ndarray of shape (n, side, side), uint8
    moved_copies : int
    seed : int

    Yields
    ------
    ndarray of shape (n, side, side), uint8, C order
        Row i shows face i.
    """
    yield pixels
    yield np.ascontiguousarray(pixels[:, :, ::-1])
    rng = np.random.default_rng(seed)
    for _ in range(moved_copies):
        yield np.stack([_moved(face, rng) for face in pixels])


def _moved(face: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    side = len(face)
    angle, log_scale = rng.uniform(-_TURN, _TURN), rng.uniform(-_SCALE, _SCALE)
    cosine, sine = np.exp(log_scale) * np.array([np.cos(angle), np.sin(angle)])
    mirror = rng.choice([-1, 1])
    linear = np.array([[cosine * mirror, -sine], [sine * mirror, cosine]])
    centre = np.full(2, side / 2)
    # What the movement brings in from outside continues the border.
    margin = side // 3
    offset = centre + margin + rng.uniform(-_SHIFT, _SHIFT, 2) - linear @ centre
    coefficients = np.column_stack([linear, offset]).ravel().tolist()
    moved = Image.fromarray(np.pad(face, margin, mode="edge")).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    return np.asarray(moved)
