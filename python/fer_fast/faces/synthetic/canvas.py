"""Pictures under way, and what is painted on them: ellipses and strokes with soft edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_fast.faces.dataset import FACE_SIDE
from fer_fast.faces.synthetic.chance import Field

Value = Field | float
_PIXELS_PER_UNIT = FACE_SIDE / 2


def grid() -> tuple[Field, Field]:
    """Return the places of the columns and of the rows, from −1 to 1."""
    places = (np.arange(FACE_SIDE, dtype=np.float32) + 0.5) / _PIXELS_PER_UNIT - 1
    return places.reshape(1, 1, -1), places.reshape(1, -1, 1)


@dataclass(frozen=True)
class Canvas:
    """Pictures under way, and where each pixel lies in its face's own coordinates.

    `u` runs to the right and `v` down, 0 in the middle of the face; the face is about 1.3 wide and
    1.9 high.
    """

    tones: Field
    u: Field
    v: Field

    def paint(self, coverage: Field, tone: Value) -> None:
        """Lay `tone` (0 black to 1 white) over the pictures where `coverage` is 1."""
        self.tones[...] += coverage * (tone - self.tones)

    def ellipse(self, u: Value, v: Value, across: Value, down: Value, blur: float = 1) -> Field:
        """Return the coverage of ellipses with centre (`u`, `v`) and half axes."""
        radius = np.sqrt(np.square((self.u - u) / across) + np.square((self.v - v) / down))
        shorter = np.minimum(across, down, dtype=np.float32)
        return inside((1 - radius) * shorter, blur)

    def stroke(
        self, start: tuple[Field, Field], end: tuple[Field, Field], bend: Value, thickness: Value
    ) -> Field:
        """Return the coverage of a stroke between two points, its middle raised by `bend`."""
        (u0, v0), (u1, v1) = start, end
        share = (self.u - u0) / (u1 - u0)
        height = v0 + share * (v1 - v0) - 4 * bend * share * (1 - share)
        along = (0.5 - np.abs(share - 0.5)) * np.abs(u1 - u0)
        return inside(thickness / 2 - np.abs(self.v - height)) * inside(along)


def inside(depth: Field, blur: float = 1) -> Field:
    """Return 1 inside and 0 outside an edge, with a ramp `blur` pixels wide; `depth` > 0 inside."""
    coverage: Field = np.clip(depth * (_PIXELS_PER_UNIT / blur) + 0.5, 0, 1)
    return coverage
