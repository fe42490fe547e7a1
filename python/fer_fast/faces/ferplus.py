"""FER+'s votes on the faces of FER-2013."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.faces.dataset import SPLIT_NAMES, FaceDataset, Split
from fer_fast.faces.labels import FER2013, FERPLUS
from fer_fast.progress import SILENT, Reporter

_EXPRESSIONS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
    "neutral",
    "contempt",
)
"""FER+'s columns in the order of `FERPLUS`."""

_UNKNOWN, _NO_FACE = len(_EXPRESSIONS), len(_EXPRESSIONS) + 1
_COLUMNS = (*_EXPRESSIONS, "unknown", "NF")


@dataclass(frozen=True)
class SecondOpinion:
    """What FER+'s ten voters per face say of the data set's labels; counts of faces.

    Every face is in one of `judged`, `other`, `undecided` and `no_face`.

    Attributes
    ----------
    judged : int
        Faces for which one of FER-2013's expressions has more votes than anything else.
    disagreeing : int
        Those of them whose label is another expression.
    other : int
        Faces for which contempt or "unknown" has more votes than anything else.
    undecided : int
        Faces whose votes are tied.
    no_face : int
        Faces that most voters took for no face at all.
    """

    judged: int
    disagreeing: int
    other: int
    undecided: int
    no_face: int


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
    votes = _votes_on(dataset, votes_csv)
    opinions = votes[:, :_NO_FACE]
    no_face = votes[:, _NO_FACE] > opinions.sum(axis=1)
    most = opinions.max(axis=1)
    decided = ~no_face & ((opinions == most[:, None]).sum(axis=1) == 1)
    favourite = opinions.argmax(axis=1)
    judged = decided & (favourite < len(FER2013))
    return SecondOpinion(
        judged=int(judged.sum()),
        disagreeing=int((judged & (favourite != dataset.labels)).sum()),
        other=int((decided & ~judged).sum()),
        undecided=int((~no_face & ~decided).sum()),
        no_face=int(no_face.sum()),
    )


def with_ferplus_labels(
    dataset: FaceDataset, votes_csv: Path, *, reporter: Reporter = SILENT
) -> FaceDataset:
    """Return the faces on which FER+'s voters agree, under the label that they give.

    They agree where one of FER+'s eight expressions has more than half of all votes on a face. The
    others, and those that most voters took for no face or could not tell, are left out.

    Parameters
    ----------
    dataset : FaceDataset
        With FER-2013's labels, and its rows in the order of fer2013.csv, which FER+ follows.
    votes_csv : Path
        As of `second_opinion`.
    reporter : Reporter
        Told how many faces are left out and why.

    Returns
    -------
    FaceDataset
        With FER-2013's labels as its `own_labels`.

    Raises
    ------
    DataError
        As `second_opinion`, or if no face is left.
    """
    majority = _majorities(_votes_on(dataset, votes_csv))
    agreed = np.flatnonzero((majority >= 0) & (majority < len(FERPLUS)))
    reporter.note(
        f"FER+: {len(agreed):,} of {len(dataset):,} faces have the label of the voters' majority; "
        f"left out are {np.sum(majority < 0):,} without a majority, "
        f"{np.sum(majority == _UNKNOWN):,} voted unknown and {np.sum(majority == _NO_FACE):,} "
        "voted not a face"
    )
    faces = dataset.take(agreed)
    return replace(
        faces,
        labels=majority[agreed].astype(np.uint8),
        label_set=FERPLUS,
        own_labels=faces.labels,
    )


def majority_labels(dataset: FaceDataset, votes_csv: Path) -> NDArray[np.int64]:
    """Return which of FER+'s eight expressions has more than half of all votes on a face.

    Parameters
    ----------
    dataset : FaceDataset
        As of `second_opinion`.
    votes_csv : Path
        As of `second_opinion`.

    Returns
    -------
    ndarray of shape (n_faces,), int64
        Positions in `FERPLUS`; -1 where none has.

    Raises
    ------
    DataError
        As `second_opinion`.
    """
    majority = _majorities(_votes_on(dataset, votes_csv))
    return np.where(majority < len(FERPLUS), majority, -1)


def vote_shares(dataset: FaceDataset, votes_csv: Path) -> NDArray[np.float32]:
    """Return which share of a face's votes each of FER-2013's expressions has.

    Votes for contempt, "unknown" and no face do not count.

    Parameters
    ----------
    dataset : FaceDataset
        With FER-2013's labels, and its rows in the order of fer2013.csv, which FER+ follows.
    votes_csv : Path
        As of `second_opinion`.

    Returns
    -------
    ndarray of shape (n_faces, 7), float32
        Columns in the order of `FER2013`. A row sums to 1, or to 0 where no vote counts.

    Raises
    ------
    DataError
        As `second_opinion`.
    """
    votes = _votes_on(dataset, votes_csv)[:, : len(FER2013)].astype(np.float32)
    shares: NDArray[np.float32] = votes / np.maximum(votes.sum(axis=1, keepdims=True), 1)
    return shares


def _majorities(votes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which column has more than half of a row's votes, -1 where none has."""
    has_majority = 2 * votes.max(axis=1) > votes.sum(axis=1)
    return np.where(has_majority, votes.argmax(axis=1), -1)


def _votes_on(dataset: FaceDataset, votes_csv: Path) -> NDArray[np.int64]:
    """Return the votes on each face, of shape (n_faces, 10), in the order of `_COLUMNS`."""
    if dataset.label_set != FER2013:
        raise DataError(
            f"{dataset.source} has other classes than FER-2013's",
            hint=f"FER+'s votes {votes_csv} are on the faces of fer2013.csv, so give that",
        )
    usage, votes = _read_votes(votes_csv)
    if len(votes) != len(dataset):
        raise DataError(
            f"{votes_csv} has votes on {len(votes)} faces and the data set {len(dataset)}",
            hint="give the votes and the csv that belong together",
        )
    if usage != [SPLIT_NAMES[Split(split)] for split in dataset.splits]:
        raise DataError(
            f"{votes_csv} has its faces in another order than {dataset.source}",
            hint="FER+ follows the rows of fer2013.csv, so give that",
        )
    return votes


def _read_votes(votes_csv: Path) -> tuple[list[str], NDArray[np.int64]]:
    try:
        with votes_csv.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            names = [name.strip().casefold() for name in next(lines, [])]
            rows = [dict(zip(names, cells, strict=True)) for cells in lines if any(cells)]
        usage = [row["usage"].strip() for row in rows]
        votes = np.array(
            [[int(row[column.casefold()]) for column in _COLUMNS] for row in rows], np.int64
        ).reshape(-1, len(_COLUMNS))
        if (votes < 0).any():
            raise ValueError("a negative count")
    except OSError as error:
        raise DataError(
            f"cannot read the votes {votes_csv} ({error.strerror})", hint="check the path"
        ) from error
    except (KeyError, OverflowError, ValueError, csv.Error) as error:
        raise DataError(
            f"{votes_csv} holds no FER+ votes",
            hint=f"give a csv with the columns Usage, {', '.join(_COLUMNS)}, each row with counts",
        ) from error
    return usage, votes
