"""Random numbers that no NumPy version changes, one a face or one a pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.dataset import FACE_SIDE

Field = NDArray[np.floating]
"""One value a face, (n, 1, 1), or one a pixel, (n, 48, 48); float32."""

_BELL_SCALE = math.sqrt(0.75)
"""Brings the sum of four even draws from −1 to 1 to a standard deviation of 1."""


class Chance:
    """PCG64's raw output, which NumPy promises not to change, as numbers of several kinds."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def raw(self, count: int) -> NDArray[np.uint64]:
        """Draw `count` numbers of 64 bits."""
        return np.asarray(self._bits.random_raw(count))

    def uniform(self, count: int, low: float, high: float) -> Field:
        """Draw one number a face, evenly between `low` and `high`."""
        unit = (self.raw(count) >> np.uint64(40)).astype(np.float32) / (1 << 24)
        return (low + (high - low) * unit).reshape(-1, 1, 1)

    def bell(self, count: int, spread: float) -> Field:
        """Draw one number a face around 0, with standard deviation `spread` (Irwin–Hall, n = 4)."""
        total = sum(self.uniform(count, -1, 1) for _ in range(4))
        return np.asarray(total * (spread * _BELL_SCALE), np.float32)

    def happens(self, count: int, probability: float) -> Field:
        """Draw 1 with `probability`, else 0, for each face."""
        return (self.uniform(count, 0, 1) < probability).astype(np.float32)

    def grain(self, count: int) -> Field:
        """Draw noise for `count` pictures, with standard deviation 1 (Irwin–Hall, n = 4 bytes)."""
        quads = self.raw(count * FACE_SIDE * FACE_SIDE // 2).astype("<u8").view(np.uint8)
        total = quads.reshape(count, FACE_SIDE, FACE_SIDE, 4).sum(axis=-1, dtype=np.uint16)
        grain: Field = (total.astype(np.float32) - 510) / 147.8
        return grain
