"""A person's face in an action, drawn part by part, and what hides it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.synthetic.canvas import Canvas, grid, inside
from fer_fast.faces.synthetic.chance import Chance, Field
from fer_fast.faces.synthetic.people import Action, Person, actions_of, people


def draw(labels: NDArray[np.uint8], chance: Chance) -> NDArray[np.uint8]:
    """Draw a face of each label.

    Returns
    -------
    ndarray of shape (n, 48, 48), uint8
    """
    n = len(labels)
    actions = actions_of(labels, chance)
    person = people(n, chance)
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


def _posed_canvas(n: int, chance: Chance) -> Canvas:
    x, y = grid()
    x = x - chance.bell(n, 0.03)
    y = y - chance.bell(n, 0.03)
    scale = chance.uniform(n, 1.08, 1.28)
    # The tangent of half the angle gives sine and cosine without calling either.
    lean = chance.bell(n, 0.035)
    cosine, sine = (1 - lean * lean) / (1 + lean * lean), 2 * lean / (1 + lean * lean)
    u, v = (x * cosine + y * sine) / scale, (y * cosine - x * sine) / scale
    background = chance.uniform(n, 0.05, 0.9) + chance.bell(n, 0.15) * x + chance.bell(n, 0.1) * y
    return Canvas(np.broadcast_to(background, u.shape).copy(), u, v)


def _draw_head(canvas: Canvas, person: Person, actions: Action[Field], chance: Chance) -> None:
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
    canvas: Canvas, person: Person, actions: Action[Field], side: int, yaw: Field
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
    canvas: Canvas, person: Person, actions: Action[Field], side: int, yaw: Field
) -> None:
    inner_u = side * np.maximum(person.eye_u - 0.16 - actions.brow_together, 0.03) + yaw
    outer_u = side * (person.eye_u + 0.17) + yaw
    outer_v = person.eye_v - person.brow_height - actions.brow_raise + 0.02
    inner_v = outer_v - actions.brow_inner
    brow = canvas.stroke((inner_u, inner_v), (outer_u, outer_v), 0.035, person.brow_thickness)
    canvas.paint(brow * 0.9, person.brow_tone)
    crease = canvas.ellipse(inner_u * 0.6 + yaw * 0.4, inner_v, 0.02, 0.07)
    canvas.paint(crease * np.clip(actions.brow_together * 10, 0, 0.6), person.skin * 0.5)


def _draw_nose(canvas: Canvas, person: Person, actions: Action[Field], yaw: Field) -> None:
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


def _draw_mouth(canvas: Canvas, person: Person, actions: Action[Field], yaw: Field) -> None:
    half = person.mouth_across * np.maximum(actions.lip_width, 0.4)
    share = (canvas.u - yaw) / half
    arch = np.clip(1 - share * share, 0, 1)
    bow = np.sqrt(arch)
    within = inside((1 - np.abs(share)) * half)
    opening = np.maximum(actions.jaw_open, 0)
    line = person.mouth_v - actions.lip_corner * (share * share - 0.4)
    top = line - actions.upper_lip * arch - 0.35 * opening * bow
    bottom = line + 0.9 * opening * bow
    lip = person.lip * np.maximum(actions.lip_thickness, 0.1) * bow
    lips = inside(np.minimum(canvas.v - (top - lip), bottom + lip * 1.3 - canvas.v))
    canvas.paint(within * lips, person.lip_tone)
    mouth = within * inside(np.minimum(canvas.v - top, bottom - canvas.v))
    canvas.paint(mouth * 0.95, person.skin * 0.12)
    teeth = inside(top + (bottom - top) * 0.5 - canvas.v)
    canvas.paint(mouth * teeth * np.clip(actions.teeth, 0, 1), 0.5 + person.skin * 0.5)
    shade = canvas.ellipse(yaw, bottom + lip + 0.09, half * 0.6, 0.04, 3)
    canvas.paint(shade * 0.35, person.skin * 0.5)


def _draw_hair(canvas: Canvas, person: Person, chance: Chance) -> None:
    n = len(person.skin)
    tilt, bend = chance.bell(n, 0.15), chance.uniform(n, -0.1, 0.5)
    line = person.hairline + tilt * canvas.u + bend * np.square(canvas.u)
    crown = canvas.ellipse(0, -0.12, person.face_across + 0.12, person.face_down)
    canvas.paint(crown * inside(line - canvas.v, 2), person.hair)


def _draw_occlusion(canvas: Canvas, person: Person, chance: Chance, yaw: Field) -> None:
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


def _photographed(tones: Field, chance: Chance) -> NDArray[np.uint8]:
    n = len(tones)
    x, y = grid()
    light = 1 + chance.bell(n, 0.22) * x + chance.bell(n, 0.12) * y
    contrast = chance.uniform(n, 0.65, 1.1)
    middle = chance.uniform(n, 0.35, 0.6)
    seen = (tones * light - 0.5) * contrast + middle
    seen += chance.grain(n) * chance.uniform(n, 0.005, 0.03)
    pixels: NDArray[np.uint8] = np.clip(seen * 255 + 0.5, 0, 255).astype(np.uint8)
    return pixels
