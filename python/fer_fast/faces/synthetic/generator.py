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

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.synthetic.chance import Chance
from fer_fast.faces.synthetic.drawing import draw

_SPLIT_SIZES = {Split.TRAINING: 2400, Split.PUBLIC_TEST: 300, Split.PRIVATE_TEST: 300}
_CLASS_COUNTS = (4953, 547, 5121, 8989, 6077, 4002, 6198)
"""FER-2013's faces per label, whose proportions each split follows."""

_FACES_TOGETHER = 128


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
    chance = Chance(seed)
    labels, splits = _labels_and_splits(chance)
    pixels = np.concatenate(
        [
            draw(labels[start : start + _FACES_TOGETHER], chance)
            for start in range(0, len(labels), _FACES_TOGETHER)
        ]
    )
    return FaceDataset(pixels, labels, splits, source="synthetic faces", synthetic=True)


def _labels_and_splits(chance: Chance) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    labels, splits = [], []
    total = sum(_CLASS_COUNTS)
    for split, size in _SPLIT_SIZES.items():
        edges = [
            round(size * sum(_CLASS_COUNTS[:i]) / total) for i in range(len(_CLASS_COUNTS) + 1)
        ]
        ordered = np.repeat(np.arange(len(_CLASS_COUNTS), dtype=np.uint8), np.diff(edges))
        labels.append(ordered[np.argsort(chance.raw(size), kind="stable")])
        splits.append(np.full(size, split, np.uint8))
    return np.concatenate(labels), np.concatenate(splits)
