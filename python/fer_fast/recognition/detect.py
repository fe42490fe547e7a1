"""Finding faces in a picture with YuNet.

W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
Research 20 (2023) 656-665. The file is the one of OpenCV's model zoo with free height and width;
``assets/YUNET-LICENSE.txt`` is its licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.recognition.engine import open_on_cpu

MODEL = Path(__file__).parent / "assets" / "yunet.onnx"

_STRIDES = (8, 16, 32)
_LANDMARKS = 5
_LEAST_SCORE = 0.6
_GREATEST_OVERLAP, _ALIKE = 0.3, 0.5
"""Intersections over union: above, two boxes are of one face; and as good as the same."""

_LEAST_SIDE, _SIDE, _SIDE_FOR_SMALL_FACES = 320, 640, 1280
"""Long sides of what the detector sees, in pixels: it knows faces of 10 to 300 pixels."""

_SIZE_STEP = 160
"""Both sides are padded to a multiple: ONNX Runtime's memory grows with each new size."""

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Detections:
    """Faces found in one picture, the best first; lengths in pixels of that picture.

    Attributes
    ----------
    boxes : ndarray of shape (n, 4), float32
        Left, top, width, height; a box may reach beyond the picture.
    landmarks : ndarray of shape (n, 5, 2), float32
        x and y of the right eye, the left eye, the tip of the nose, and the right and the left
        corner of the mouth; right and left are the person's.
    scores : ndarray of shape (n,), float32
        How sure the detector is, 0 to 1.
    """

    boxes: FloatArray
    landmarks: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Any) -> Detections:
        return Detections(self.boxes[rows], self.landmarks[rows], self.scores[rows])


class FaceDetector:
    """YuNet on one thread; safe to share between threads."""

    def __init__(self) -> None:
        self._session = open_on_cpu(MODEL)
        self._outputs = [
            f"{part}_{stride}" for stride in _STRIDES for part in ("cls", "obj", "bbox", "kps")
        ]

    def detect(self, picture: Image.Image, *, small_faces: bool = True) -> Detections:
        """Find the faces of a picture.

        Parameters
        ----------
        picture : PIL.Image.Image of mode RGB
            A larger one is shrunk to 640 pixels on its long side, a smaller one than 320 enlarged
            to that. If nothing is found, half of it is tried, which finds a face that fills the
            picture.
        small_faces : bool, default=True
            Look again at up to 1,280 pixels, which finds faces half as large and takes four times
            as long.

        Returns
        -------
        Detections
            One for each face: see `merge`.
        """
        long_side = max(picture.size)
        side = min(max(long_side, _LEAST_SIDE), _SIDE)
        looks = [self._look(picture, side / long_side)]
        if small_faces and long_side > _SIDE:
            finer = min(long_side, _SIDE_FOR_SMALL_FACES)
            looks.append(self._look(picture, finer / long_side))
        found = _joined(looks)
        if not len(found):
            found = self._look(picture, side / 2 / long_side)
        return merge(found)

    def _look(self, picture: Image.Image, scale: float) -> Detections:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        shrunk = picture.resize((width, height), Image.Resampling.BILINEAR)
        padded = (-height % _SIZE_STEP + height, -width % _SIZE_STEP + width)
        pixels = np.zeros((1, 3, *padded), np.float32)
        pixels[0, :, :height, :width] = np.asarray(shrunk)[..., ::-1].transpose(2, 0, 1)
        outputs = self._session.run(self._outputs, {"input": pixels})
        found = decode(outputs, padded[1], _LEAST_SCORE)
        ratio = np.array([picture.width / width, picture.height / height], np.float32)
        return Detections(found.boxes * np.tile(ratio, 2), found.landmarks * ratio, found.scores)


def decode(outputs: list[FloatArray], width: int, least_score: float) -> Detections:
    """Turn YuNet's outputs into faces.

    Parameters
    ----------
    outputs : list of ndarray of shape (1, rows · columns, n), float32
        For each of the strides 8, 16 and 32: the probability of a face, that of an object, the box
        and the landmarks of every cell.
    width : int
        Of what the detector saw, in pixels.
    least_score : float
        Cells below are left out.

    Returns
    -------
    Detections
        In pixels of what the detector saw, overlaps included.
    """
    parts = []
    for position, stride in enumerate(_STRIDES):
        face, item, box, points = (output[0] for output in outputs[4 * position : 4 * position + 4])
        scores = np.sqrt(np.clip(face[:, 0], 0, 1) * np.clip(item[:, 0], 0, 1))
        (cells,) = np.nonzero(scores >= least_score)
        corner = np.stack([cells % (width // stride), cells // (width // stride)], axis=1)
        centre = (corner + box[cells, :2]) * stride
        size = np.exp(box[cells, 2:]) * stride
        landmarks = (corner[:, None] + points[cells].reshape(-1, _LANDMARKS, 2)) * stride
        boxes = np.concatenate([centre - size / 2, size], axis=1)
        parts.append(
            Detections(boxes.astype(np.float32), landmarks.astype(np.float32), scores[cells])
        )
    return _joined(parts)


def merge(found: Detections) -> Detections:
    """Return one detection for each face, best first.

    The best detection stands for all that overlap it by more than .3, and the mean of those that
    overlap it by more than .5, weighted by their scores, is where the face is: neighbouring cells
    see the same face a little apart. Then the best of the rest, and so on. Overlap is intersection
    over union.
    """
    remaining = np.argsort(-found.scores, kind="stable")
    faces = []
    while len(remaining):
        best = remaining[0]
        overlaps = _overlaps(found.boxes[best], found.boxes[remaining])
        alike = remaining[overlaps > _ALIKE]
        weights = found.scores[alike] / found.scores[alike].sum()
        faces.append(
            Detections(
                (weights @ found.boxes[alike])[None],
                np.tensordot(weights, found.landmarks[alike], 1)[None],
                found.scores[[best]],
            )
        )
        remaining = remaining[overlaps <= _GREATEST_OVERLAP]
    return _joined([found[:0], *faces])


def _overlaps(box: FloatArray, others: FloatArray) -> FloatArray:
    """Return the intersection over union of a box with each of the others."""
    least = np.maximum(box[:2], others[:, :2])
    greatest = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    shared = np.prod(np.maximum(greatest - least, 0), axis=1)
    overlaps: FloatArray = shared / (np.prod(box[2:]) + np.prod(others[:, 2:], axis=1) - shared)
    return overlaps


def _joined(parts: list[Detections]) -> Detections:
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
