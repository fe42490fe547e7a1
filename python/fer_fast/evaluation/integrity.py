"""What a data set of faces holds twice, or wrongly."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.datasets import (
    LABELS,
    SPLIT_NAMES,
    FaceDataset,
    Split,
    blank_images,
    conflicting_labels,
    duplicate_groups,
    shared_across_splits,
)
from fer_fast.errors import DataError
from fer_fast.progress import SILENT, Reporter

NEAR = 0.98
"""Correlation of two images' pixels from which on they count as nearly the same picture."""

_COARSE_SIDE = 12
_COARSE_SLACK = 0.02
_BLOCK = 2048


@dataclass(frozen=True)
class Integrity:
    """Counts of faces.

    Attributes
    ----------
    faces : int
    redundant : int
        Faces whose exact image came before: without them every image would be there once.
    shared : dict of Split to int
        Per split, faces whose exact image stands in another split too.
    near : int
        Faces that have a near duplicate which is no exact one: another image, whose pixels
        correlate by `NEAR` or more with the face or its mirror image.
    near_shared : dict of Split to int
        Per split, faces with such a near duplicate in another split.
    conflicting : int
        Faces whose exact image stands there under another label too.
    conflicting_images : int
        How many images those are.
    blank : int
        Images of one even tone.
    """

    faces: int
    redundant: int
    shared: dict[Split, int]
    near: int
    near_shared: dict[Split, int]
    conflicting: int
    conflicting_images: int
    blank: int


def check_integrity(dataset: FaceDataset, *, reporter: Reporter = SILENT) -> Integrity:
    """Count duplicates, conflicting labels and blank images."""
    groups = duplicate_groups(dataset)
    shared = shared_across_splits(dataset)
    conflicting = conflicting_labels(dataset)
    pairs = near_duplicates(dataset, reporter=reporter)
    across = pairs[dataset.splits[pairs[:, 0]] != dataset.splits[pairs[:, 1]]]

    def by_split(rows: NDArray[np.intp]) -> dict[Split, int]:
        return {split: int(np.sum(dataset.splits[rows] == split)) for split in Split}

    return Integrity(
        faces=len(dataset),
        redundant=len(dataset) - len(np.unique(groups)),
        shared=by_split(np.flatnonzero(shared)),
        near=len(np.unique(pairs)),
        near_shared=by_split(np.unique(across)),
        conflicting=int(conflicting.sum()),
        conflicting_images=len(np.unique(groups[conflicting])),
        blank=int(blank_images(dataset).sum()),
    )


def near_duplicates(dataset: FaceDataset, *, reporter: Reporter = SILENT) -> NDArray[np.intp]:
    """Find the pairs of faces that are nearly, but not exactly, the same picture.

    The correlation of pixels ignores brightness and contrast. Pairs are first sought among
    12x12 averages, which blur a picture and its copy alike, then checked at full resolution.

    Returns
    -------
    ndarray of shape (n_pairs, 2), intp
        The first face of a pair has the lower row.
    """
    varied = np.flatnonzero(~blank_images(dataset))
    groups = duplicate_groups(dataset)[varied]
    pixels = dataset.pixels[varied].astype(np.float32)
    factor = pixels.shape[1] // _COARSE_SIDE
    coarse_pixels = pixels.reshape(-1, _COARSE_SIDE, factor, _COARSE_SIDE, factor).mean((2, 4))
    found = []
    with reporter.task("near duplicates", len(varied), "images") as task:
        for turned in (False, True):
            other = coarse_pixels[:, :, ::-1] if turned else coarse_pixels
            coarse, coarse_other = _standardised(coarse_pixels), _standardised(other)
            for start in range(0, len(varied), _BLOCK):
                similar = coarse[start : start + _BLOCK] @ coarse_other[start:].T
                first, second = np.nonzero(similar > NEAR - _COARSE_SLACK)
                first, second = first + start, second + start
                keep = (first < second) & (groups[first] != groups[second])
                first, second = first[keep], second[keep]
                opposite = pixels[second]
                exact = np.sum(
                    _standardised(pixels[first])
                    * _standardised(opposite[:, :, ::-1] if turned else opposite),
                    axis=1,
                )
                near = exact >= NEAR
                found.append(np.column_stack([first[near], second[near]]))
                if turned:
                    task.advance(min(_BLOCK, len(varied) - start))
    pairs: NDArray[np.intp] = varied[np.unique(np.concatenate(found), axis=0)]
    return pairs


def _standardised(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return flat images of mean 0 and length 1, so that a product of two is a correlation."""
    flat = images.reshape(len(images), images.shape[1] * images.shape[2])
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    result: NDArray[np.float32] = flat / np.maximum(length, np.float32(1e-6))
    return result


@dataclass(frozen=True)
class SecondOpinion:
    """What FER+'s ten voters per face say of the data set's labels; counts of faces.

    Attributes
    ----------
    judged : int
        Faces for which one expression has more votes than any other.
    disagreeing : int
        Those of them whose label is another expression.
    undecided : int
        Faces whose votes are tied.
    no_face : int
        Faces that most voters took for no face at all.
    """

    judged: int
    disagreeing: int
    undecided: int
    no_face: int


# FER+'s columns: the data set's expressions, what it has no label for, and no face.
_FERPLUS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "neutral",
}
_OTHERS = ("contempt", "unknown")
_NO_FACE = "NF"


def second_opinion(dataset: FaceDataset, votes_csv: Path) -> SecondOpinion:
    """Compare the labels with FER+'s votes.

    Parameters
    ----------
    dataset : FaceDataset
        With its rows in the order of fer2013.csv, which FER+ follows.
    votes_csv : Path
        ``fer2013new.csv`` of FER+ (Barsoum et al., "Training Deep Networks for Facial Expression
        Recognition with Crowd-Sourced Label Distribution", ICMI 2016).

    Raises
    ------
    DataError
        If the file cannot be read, or its faces are others or stand in another order.
    """
    columns = (*_FERPLUS, *_OTHERS, _NO_FACE)
    try:
        with votes_csv.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        usage = [row["Usage"] for row in rows]
        votes = np.array([[int(row[column]) for column in columns] for row in rows])
    except OSError as error:
        raise DataError(f"cannot read the votes {votes_csv} ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{votes_csv} holds no FER+ votes: it needs the columns Usage, {', '.join(columns)}"
        ) from error
    if len(votes) != len(dataset):
        raise DataError(
            f"{votes_csv} has votes on {len(votes)} faces and the data set {len(dataset)}: "
            "give the votes and the csv that belong together"
        )
    if usage != [SPLIT_NAMES[Split(split)] for split in dataset.splits]:
        raise DataError(
            f"{votes_csv} has its faces in another order than {dataset.source}: FER+ follows the "
            "rows of fer2013.csv, so give that"
        )
    no_face = votes[:, -1] > votes[:, :-1].sum(axis=1)
    expressions = votes[:, :-1]
    most = expressions.max(axis=1)
    decided = ~no_face & ((expressions == most[:, None]).sum(axis=1) == 1)
    label_of_column = [LABELS.index(name) for name in _FERPLUS.values()]
    opinion = np.array([*label_of_column, *[-1] * len(_OTHERS)])[expressions.argmax(axis=1)]
    # Contempt is no label of the data set, and unknown no opinion.
    judged = decided & (opinion >= 0)
    return SecondOpinion(
        judged=int(judged.sum()),
        disagreeing=int((judged & (opinion != dataset.labels)).sum()),
        undecided=int((~no_face & ~decided).sum()),
        no_face=int(no_face.sum()),
    )
