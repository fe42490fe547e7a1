"""FER+'s votes on the faces of FER-2013."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_fast.errors import DataError
from fer_fast.faces.dataset import LABELS, SPLIT_NAMES, FaceDataset, Split


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
