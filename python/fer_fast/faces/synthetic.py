"""Drawn faces: a data set that needs no download, shaped like FER-2013.

Each face is drawn from parameters: those of its expression, after the facial-action description of
the seven expressions (brows, eyes, nose wrinkle, mouth), blended towards neutral by a random
intensity; and those of its identity, pose, light, occlusion and noise, which say nothing about the
label. It exists to run and test the product; accuracies on it say nothing about FER-2013.

The same faces come out everywhere, byte for byte: random numbers are PCG64's raw output (NumPy
promises that stream, but not those of `numpy.random.Generator`), and drawing is float32 arithmetic
with +, −, ×, ÷ and square roots alone, each of which IEEE 754 rounds in one way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.dataset import FACE_SIDE, LABELS, FaceDataset, Split

Field = NDArray[np.floating]
"""One value a face, (n, 1, 1), or one a pixel, (n, 48, 48); float32."""

Value = Field | float
T = TypeVar("T")

_SPLIT_SIZES = {Split.TRAINING: 2400, Split.PUBLIC_TEST: 300, Split.PRIVATE_TEST: 300}
_CLASS_COUNTS = (4953, 547, 5121, 8989, 6077, 4002, 6198)
"""FER-2013's faces per label, whose proportions each split follows."""

_FACES_TOGETHER = 128
_BELL_SCALE = math.sqrt(0.75)
"""Brings the sum of four even draws from −1 to 1 to a standard deviation of 1."""
_PIXELS_PER_UNIT = FACE_SIDE / 2


class _Action(NamedTuple, Generic[T]):
    """What the face's parts do, in units of half a picture; 0 is at rest unless said otherwise."""

    brow_raise: T
    """Upward shift of the whole brow."""
    brow_inner: T
    """Upward shift of the brow's inner end against its outer end."""
    brow_together: T
    """Inward shift of the brows."""
    eye_open: T
    """Opening of the lids as a share of the eye's resting height."""
    squint: T
    """Rise of the lower lid, as a share of the eye's height."""
    nose_wrinkle: T
    """Strength of the creases beside and across the nose's root, 0 to 1."""
    cheek: T
    """Strength of the folds from the nose to the lip corners, 0 to 1."""
    lip_width: T
    """Width of the mouth as a share of its resting width."""
    lip_corner: T
    """Upward shift of the lip corners."""
    jaw_open: T
    """Height of the opening between the lips."""
    upper_lip: T
    """Upward shift of the upper lip's middle."""
    lip_thickness: T
    """Thickness of the lips as a share of its resting value."""
    teeth: T
    """Brightness of the teeth in the opening, 0 to 1."""


_NEUTRAL = _Action(
    brow_raise=0.0,
    brow_inner=0.0,
    brow_together=0.0,
    eye_open=1.0,
    squint=0.0,
    nose_wrinkle=0.0,
    cheek=0.1,
    lip_width=1.0,
    lip_corner=0.0,
    jaw_open=0.0,
    upper_lip=0.0,
    lip_thickness=1.0,
    teeth=0.0,
)
_ACTIONS: dict[str, _Action[float]] = {
    # lowered, drawn-together brows; narrowed eyes; pressed lips
    "angry": _NEUTRAL._replace(
        brow_raise=-0.07,
        brow_inner=-0.1,
        brow_together=0.06,
        eye_open=0.7,
        squint=0.15,
        nose_wrinkle=0.25,
        cheek=0.2,
        lip_width=0.9,
        lip_corner=-0.02,
        lip_thickness=0.45,
    ),
    # wrinkled nose, raised upper lip, lowered brows
    "disgust": _NEUTRAL._replace(
        brow_raise=-0.05,
        brow_inner=-0.05,
        brow_together=0.03,
        eye_open=0.6,
        squint=0.3,
        nose_wrinkle=1.0,
        cheek=0.7,
        lip_width=0.95,
        lip_corner=-0.05,
        jaw_open=0.05,
        upper_lip=0.08,
        teeth=0.6,
    ),
    # raised, drawn-together brows; wide eyes; stretched open mouth
    "fear": _NEUTRAL._replace(
        brow_raise=0.07,
        brow_inner=0.08,
        brow_together=0.05,
        eye_open=1.35,
        lip_width=1.15,
        lip_corner=-0.05,
        jaw_open=0.11,
        lip_thickness=0.8,
        teeth=0.5,
    ),
    # raised lip corners and cheeks, squint
    "happy": _NEUTRAL._replace(
        brow_raise=0.01,
        eye_open=0.8,
        squint=0.3,
        cheek=0.9,
        lip_width=1.3,
        lip_corner=0.1,
        jaw_open=0.08,
        lip_thickness=0.9,
        teeth=1.0,
    ),
    # inner brows raised, lip corners down
    "sad": _NEUTRAL._replace(
        brow_raise=-0.01,
        brow_inner=0.1,
        brow_together=0.03,
        eye_open=0.75,
        cheek=0.2,
        lip_width=0.9,
        lip_corner=-0.09,
    ),
    # raised brows, wide eyes, open round mouth
    "surprise": _NEUTRAL._replace(
        brow_raise=0.12,
        eye_open=1.45,
        cheek=0.0,
        lip_width=0.75,
        jaw_open=0.22,
        lip_thickness=0.9,
        teeth=0.1,
    ),
    "neutral": _NEUTRAL,
}


def synthetic_faces(seed: int = 0) -> FaceDataset:
    """Draw the synthetic default: 3,000 faces with FER-2013's class imbalance, in three splits.

    Parameters
    ----------
    seed : int
        Another seed draws other faces.

    Returns
    -------
    FaceDataset
        Of shape (3000, 48, 48), with `synthetic` True.
    """
    chance = _Chance(seed)
    labels, splits = _labels_and_splits(chance)
    pixels = np.concatenate(
        [
            _draw(labels[start : start + _FACES_TOGETHER], chance)
            for start in range(0, len(labels), _FACES_TOGETHER)
        ]
    )
    return FaceDataset(pixels, labels, splits, source="synthetic faces", synthetic=True)


class _Chance:
    """Random numbers that no NumPy version changes."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def raw(self, count: int) -> NDArray[np.uint64]:
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


def _labels_and_splits(chance: _Chance) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    labels, splits = [], []
    total = sum(_CLASS_COUNTS)
    for split, size in _SPLIT_SIZES.items():
        edges = [round(size * sum(_CLASS_COUNTS[:i]) / total) for i in range(len(LABELS) + 1)]
        ordered = np.repeat(np.arange(len(LABELS), dtype=np.uint8), np.diff(edges))
        labels.append(ordered[np.argsort(chance.raw(size), kind="stable")])
        splits.append(np.full(size, split, np.uint8))
    return np.concatenate(labels), np.concatenate(splits)


def _actions(labels: NDArray[np.uint8], chance: _Chance) -> _Action[Field]:
    """Return each face's action: its label's, at some intensity, with a person's own variation."""
    table = np.array([_ACTIONS[name] for name in LABELS], np.float32)
    neutral = table[LABELS.index("neutral")]
    wide = np.ptp(table, axis=0)
    intensity = chance.uniform(len(labels), 0.45, 1.25)
    actions = []
    for i in range(len(neutral)):
        own = chance.bell(len(labels), 0.08 * float(wide[i]))
        towards = (table[labels, i] - neutral[i]).reshape(-1, 1, 1)
        actions.append(neutral[i] + intensity * towards + own)
    return _Action(*actions)


@dataclass(frozen=True)
class _Canvas:
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
        return _inside((1 - radius) * shorter, blur)

    def stroke(
        self, start: tuple[Field, Field], end: tuple[Field, Field], bend: Value, thickness: Value
    ) -> Field:
        """Return the coverage of a stroke between two points, its middle raised by `bend`."""
        (u0, v0), (u1, v1) = start, end
        share = (self.u - u0) / (u1 - u0)
        height = v0 + share * (v1 - v0) - 4 * bend * share * (1 - share)
        along = (0.5 - np.abs(share - 0.5)) * np.abs(u1 - u0)
        return _inside(thickness / 2 - np.abs(self.v - height)) * _inside(along)


def _inside(depth: Field, blur: float = 1) -> Field:
    """Return 1 inside and 0 outside an edge, with a ramp `blur` pixels wide; `depth` > 0 inside."""
    coverage: Field = np.clip(depth * (_PIXELS_PER_UNIT / blur) + 0.5, 0, 1)
    return coverage


@dataclass(frozen=True)
class _Person:
    """What belongs to a person, whatever the expression."""

    skin: Field
    hair: Field
    face_across: Field
    face_down: Field
    jaw_taper: Field
    hairline: Field
    eye_u: Field
    eye_v: Field
    eye_across: Field
    eye_down: Field
    brow_height: Field
    brow_thickness: Field
    brow_tone: Field
    nose_v: Field
    mouth_v: Field
    mouth_across: Field
    lip: Field
    lip_tone: Field
    beard: Field


def _people(n: int, chance: _Chance) -> _Person:
    skin = chance.uniform(n, 0.42, 0.85)
    eye_v = chance.uniform(n, -0.20, -0.10)
    return _Person(
        skin=skin,
        hair=chance.uniform(n, 0.04, 0.5),
        face_across=chance.uniform(n, 0.60, 0.74),
        face_down=chance.uniform(n, 0.86, 0.97),
        jaw_taper=chance.uniform(n, 0.05, 0.30),
        hairline=chance.uniform(n, -0.80, -0.55),
        eye_u=chance.uniform(n, 0.26, 0.33),
        eye_v=eye_v,
        eye_across=chance.uniform(n, 0.12, 0.16),
        eye_down=chance.uniform(n, 0.055, 0.085),
        brow_height=chance.uniform(n, 0.15, 0.20),
        brow_thickness=chance.uniform(n, 0.04, 0.08),
        brow_tone=skin * chance.uniform(n, 0.2, 0.65),
        nose_v=eye_v + chance.uniform(n, 0.36, 0.44),
        mouth_v=chance.uniform(n, 0.46, 0.54),
        mouth_across=chance.uniform(n, 0.23, 0.31),
        lip=chance.uniform(n, 0.035, 0.065),
        lip_tone=skin * chance.uniform(n, 0.5, 0.8),
        beard=chance.happens(n, 0.15) * chance.uniform(n, 0.3, 0.8),
    )


def _draw(labels: NDArray[np.uint8], chance: _Chance) -> NDArray[np.uint8]:
    n = len(labels)
    actions = _actions(labels, chance)
    person = _people(n, chance)
    canvas = _posed_canvas(n, chance)
    yaw = chance.bell(n, 0.03)
    _draw_head(canvas, person, actions, chance)
    for side in (-1, 1):
        _draw_eye(canvas, person, actions, side, yaw)
        _draw_brow(canvas, person, actions, side, yaw)
    _draw_nose(canvas, person, actions, yaw)
    _draw_mouth(canvas, person, actions, yaw)
    _draw_hair(canvas, person, chance)
    _draw_occlusion(canvas, person, chance, yaw)
    return _photographed(canvas.tones, chance)


def _grid() -> tuple[Field, Field]:
    places = (np.arange(FACE_SIDE, dtype=np.float32) + 0.5) / _PIXELS_PER_UNIT - 1
    return places.reshape(1, 1, -1), places.reshape(1, -1, 1)


def _posed_canvas(n: int, chance: _Chance) -> _Canvas:
    x, y = _grid()
    x = x - chance.bell(n, 0.03)
    y = y - chance.bell(n, 0.03)
    scale = chance.uniform(n, 1.08, 1.28)
    # The tangent of half the angle gives sine and cosine without calling either.
    lean = chance.bell(n, 0.035)
    cosine, sine = (1 - lean * lean) / (1 + lean * lean), 2 * lean / (1 + lean * lean)
    u, v = (x * cosine + y * sine) / scale, (y * cosine - x * sine) / scale
    background = chance.uniform(n, 0.05, 0.9) + chance.bell(n, 0.15) * x + chance.bell(n, 0.1) * y
    return _Canvas(np.broadcast_to(background, u.shape).copy(), u, v)


def _draw_head(canvas: _Canvas, person: _Person, actions: _Action[Field], chance: _Chance) -> None:
    n = len(person.skin)
    long_hair = chance.happens(n, 0.4) * chance.uniform(n, 0.2, 0.6)
    crown = canvas.ellipse(
        0, long_hair - 0.12, person.face_across + 0.12, person.face_down + long_hair
    )
    canvas.paint(crown, person.hair)
    neck = canvas.ellipse(0, 1.1, person.face_across * 0.6, 0.6)
    canvas.paint(neck, person.skin * 0.65)
    across = person.face_across * (1 - person.jaw_taper * np.clip(canvas.v, 0, 1))
    down = person.face_down + 0.3 * actions.jaw_open
    face = canvas.ellipse(0, 0, across, down)
    canvas.paint(face, person.skin)
    edge = np.clip(np.square(canvas.u / across) + np.square(np.square(canvas.v / down)), 0, 1)
    canvas.paint(face * edge * 0.6, person.skin * 0.6)
    chin = canvas.ellipse(0, person.mouth_v + 0.1, across * 0.8, 0.35, 6)
    canvas.paint(face * chin * person.beard, person.hair)


def _draw_eye(
    canvas: _Canvas, person: _Person, actions: _Action[Field], side: int, yaw: Field
) -> None:
    u, v = side * person.eye_u + yaw, person.eye_v
    socket = canvas.ellipse(u, v - 0.03, person.eye_across + 0.06, 0.17, 5)
    canvas.paint(socket * 0.5, person.skin * 0.6)
    top = person.eye_down * np.maximum(actions.eye_open, 0.15)
    bottom = top * (1 - np.clip(actions.squint, 0, 0.9)) * 0.9
    eye = canvas.ellipse(u, v, person.eye_across, np.where(canvas.v < v, top, bottom))
    canvas.paint(eye, 0.25 + 0.7 * person.skin)
    iris = canvas.ellipse(u, v, 0.065, 0.07)
    canvas.paint(eye * iris, 0.08)
    ends = (u - person.eye_across, v), (u + person.eye_across, v)
    canvas.paint(canvas.stroke(*ends, top, 0.035), person.skin * 0.25)
    canvas.paint(canvas.stroke(*ends, -bottom, 0.025) * 0.5, person.skin * 0.5)
    bag = canvas.stroke(*ends, -bottom - 0.06, 0.03)
    canvas.paint(bag * np.clip(actions.squint * 2, 0, 0.6), person.skin * 0.55)


def _draw_brow(
    canvas: _Canvas, person: _Person, actions: _Action[Field], side: int, yaw: Field
) -> None:
    inner_u = side * np.maximum(person.eye_u - 0.16 - actions.brow_together, 0.03) + yaw
    outer_u = side * (person.eye_u + 0.17) + yaw
    outer_v = person.eye_v - person.brow_height - actions.brow_raise + 0.02
    inner_v = outer_v - actions.brow_inner
    brow = canvas.stroke((inner_u, inner_v), (outer_u, outer_v), 0.035, person.brow_thickness)
    canvas.paint(brow * 0.9, person.brow_tone)
    crease = canvas.ellipse(inner_u * 0.6 + yaw * 0.4, inner_v, 0.02, 0.07)
    canvas.paint(crease * np.clip(actions.brow_together * 10, 0, 0.6), person.skin * 0.5)


def _draw_nose(canvas: _Canvas, person: _Person, actions: _Action[Field], yaw: Field) -> None:
    skin, tip = person.skin, person.nose_v
    middle = (person.eye_v + tip) / 2
    ridge = canvas.ellipse(yaw * 1.2, middle, 0.05, (tip - person.eye_v) / 2, 3)
    canvas.paint(ridge * 0.5, np.minimum(skin * 1.2, 1))
    wrinkle = np.clip(actions.nose_wrinkle, 0, 1)
    fold = np.clip(actions.cheek, 0, 1)
    for side in (-1, 1):
        flank = canvas.ellipse(yaw * 1.2 + side * 0.09, middle + 0.06, 0.03, 0.17, 3)
        canvas.paint(flank * 0.4, skin * 0.6)
        nostril_v = tip - 0.04 * wrinkle
        nostril = canvas.ellipse(yaw * 1.3 + side * 0.065, nostril_v, 0.04, 0.025)
        canvas.paint(nostril * 0.9, skin * 0.25)
        crease = canvas.stroke(
            (yaw + side * 0.03, person.eye_v + 0.03),
            (yaw + side * 0.17, person.eye_v + 0.2),
            0.0,
            0.045,
        )
        canvas.paint(crease * wrinkle * 0.8, skin * 0.4)
        corner_u = side * (person.mouth_across * actions.lip_width + 0.06)
        crease = canvas.stroke(
            (yaw + side * 0.12, tip - 0.02),
            (yaw + corner_u, person.mouth_v),
            0.05,
            0.04,
        )
        canvas.paint(crease * fold * 0.6, skin * 0.45)
    for height in (0.02, 0.09):
        across = canvas.stroke(
            (yaw - 0.08, person.eye_v + height),
            (yaw + 0.08, person.eye_v + height),
            0.03,
            0.035,
        )
        canvas.paint(across * wrinkle * 0.8, skin * 0.45)


def _draw_mouth(canvas: _Canvas, person: _Person, actions: _Action[Field], yaw: Field) -> None:
    half = person.mouth_across * np.maximum(actions.lip_width, 0.4)
    share = (canvas.u - yaw) / half
    arch = np.clip(1 - share * share, 0, 1)
    bow = np.sqrt(arch)
    within = _inside((1 - np.abs(share)) * half)
    opening = np.maximum(actions.jaw_open, 0)
    line = person.mouth_v - actions.lip_corner * (share * share - 0.4)
    top = line - actions.upper_lip * arch - 0.35 * opening * bow
    bottom = line + 0.9 * opening * bow
    lip = person.lip * np.maximum(actions.lip_thickness, 0.1) * bow
    lips = _inside(np.minimum(canvas.v - (top - lip), bottom + lip * 1.3 - canvas.v))
    canvas.paint(within * lips, person.lip_tone)
    mouth = within * _inside(np.minimum(canvas.v - top, bottom - canvas.v))
    canvas.paint(mouth * 0.95, person.skin * 0.12)
    teeth = _inside(top + (bottom - top) * 0.5 - canvas.v)
    canvas.paint(mouth * teeth * np.clip(actions.teeth, 0, 1), 0.5 + person.skin * 0.5)
    shade = canvas.ellipse(yaw, bottom + lip + 0.09, half * 0.6, 0.04, 3)
    canvas.paint(shade * 0.35, person.skin * 0.5)


def _draw_hair(canvas: _Canvas, person: _Person, chance: _Chance) -> None:
    n = len(person.skin)
    tilt, bend = chance.bell(n, 0.15), chance.uniform(n, -0.1, 0.5)
    line = person.hairline + tilt * canvas.u + bend * np.square(canvas.u)
    crown = canvas.ellipse(0, -0.12, person.face_across + 0.12, person.face_down)
    canvas.paint(crown * _inside(line - canvas.v, 2), person.hair)


def _draw_occlusion(canvas: _Canvas, person: _Person, chance: _Chance, yaw: Field) -> None:
    n = len(person.skin)
    glasses = chance.happens(n, 0.12)
    for side in (-1, 1):
        place = side * person.eye_u + yaw, person.eye_v + 0.02
        outer = canvas.ellipse(*place, person.eye_across + 0.08, 0.17)
        inner = canvas.ellipse(*place, person.eye_across + 0.04, 0.13)
        canvas.paint(glasses * (outer - inner), 0.1)
    strand = canvas.ellipse(
        chance.uniform(n, -0.6, 0.6),
        -0.6,
        chance.uniform(n, 0.15, 0.3),
        chance.uniform(n, 0.3, 0.5),
    )
    canvas.paint(strand * chance.happens(n, 0.12), person.hair)
    hand = canvas.ellipse(
        chance.uniform(n, -0.7, 0.7),
        chance.uniform(n, 0.5, 0.95),
        chance.uniform(n, 0.15, 0.3),
        chance.uniform(n, 0.15, 0.35),
    )
    canvas.paint(hand * chance.happens(n, 0.12), person.skin * chance.uniform(n, 0.75, 1.1))


def _photographed(tones: Field, chance: _Chance) -> NDArray[np.uint8]:
    n = len(tones)
    x, y = _grid()
    light = 1 + chance.bell(n, 0.22) * x + chance.bell(n, 0.12) * y
    contrast = chance.uniform(n, 0.65, 1.1)
    middle = chance.uniform(n, 0.35, 0.6)
    seen = (tones * light - 0.5) * contrast + middle
    seen += chance.grain(n) * chance.uniform(n, 0.005, 0.03)
    pixels: NDArray[np.uint8] = np.clip(seen * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels
