"""What tells one drawn face from another: its expression's action, and the person it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.labels import FER2013
from fer_fast.faces.synthetic.chance import Chance, Field

T = TypeVar("T")


class Action(NamedTuple, Generic[T]):
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


_NEUTRAL = Action(
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
_ACTIONS: dict[str, Action[float]] = {
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


def actions_of(labels: NDArray[np.uint8], chance: Chance) -> Action[Field]:
    """Return each face's action: its label's, at some intensity, with a person's own variation."""
    table = np.array([_ACTIONS[name] for name in FER2013.names], np.float32)
    neutral = table[FER2013.names.index("neutral")]
    wide = np.ptp(table, axis=0)
    intensity = chance.uniform(len(labels), 0.45, 1.25)
    actions = []
    for i in range(len(neutral)):
        own = chance.bell(len(labels), 0.08 * float(wide[i]))
        towards = (table[labels, i] - neutral[i]).reshape(-1, 1, 1)
        actions.append(neutral[i] + intensity * towards + own)
    return Action(*actions)


@dataclass(frozen=True)
class Person:
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


def people(n: int, chance: Chance) -> Person:
    """Draw `n` persons."""
    skin = chance.uniform(n, 0.42, 0.85)
    eye_v = chance.uniform(n, -0.20, -0.10)
    return Person(
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
