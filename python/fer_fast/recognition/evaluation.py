"""Scoring a saved model on a labelled data set other than the one it was made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.classifier.calibration import calibration_error, log_loss
from fer_fast.classifier.intervals import Interval, f1_macro_interval, proportion_interval
from fer_fast.classifier.scores import Scores, score
from fer_fast.errors import DataError
from fer_fast.faces.image import SUFFIXES
from fer_fast.faces.labels import label_set_of
from fer_fast.faces.readers.files import is_visible
from fer_fast.faces.readers.folder import named_files
from fer_fast.progress import SILENT, Reporter
from fer_fast.recognition.recognizer import Faces, Recognizer

_LEAST = 1e-7
"""What a probability of 0 counts as in the log loss, which would be infinite."""


@dataclass(frozen=True)
class LabelledPictures:
    """Picture files in a folder for each class.

    Attributes
    ----------
    paths : list of Path
    names : list of str
        Each one's folder.
    """

    paths: list[Path]
    names: list[str]


@dataclass(frozen=True)
class Answers:
    """What a model says of labelled faces.

    Attributes
    ----------
    probabilities : ndarray of shape (n, n_classes), float32
        Columns in the order of the model's labels.
    names : list of str
        What the data set calls each face.
    unread, unfound : int
        Pictures without an answer: damaged ones, and those without a face.
    """

    probabilities: NDArray[np.float32]
    names: list[str]
    unread: int = 0
    unfound: int = 0


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on the classes that it and the data set have in common.

    Attributes
    ----------
    scores : Scores
        By the model's names; the model's answer is the best of the classes in common.
    accuracy_interval, f1_macro_interval : tuple of float
        95 %: by Wilson's method, and by the bootstrap.
    recall_intervals : dict of str to tuple of float
        95 %, by Wilson's method.
    log_loss : float
        In nats, of the probabilities shared out again among the classes in common.
    calibration_error : float
        Expected, over 15 bins of equal width.
    left_out : dict of str to int
        Faces of classes that the model does not know, by class.
    unused : tuple of str
        The model's classes that the data set does not have.
    unread, unfound : int
        Pictures without an answer, in no score: damaged ones, and those without a face.
    """

    scores: Scores
    accuracy_interval: Interval
    f1_macro_interval: Interval
    recall_intervals: dict[str, Interval]
    log_loss: float
    calibration_error: float
    left_out: dict[str, int]
    unused: tuple[str, ...]
    unread: int
    unfound: int


def find_labelled_pictures(
    folder: Path, model_labels: Sequence[str], *, reporter: Reporter = SILENT
) -> LabelledPictures | None:
    """Return the pictures of a folder that has one folder for each class; None: it has none such.

    A folder counts as one if the name of at least one of its folders is a class of the model.

    Raises
    ------
    DataError
        If a class' folder cannot be opened, or is a link that leads nowhere.
    """
    known = label_set_of(model_labels)
    inside = sorted(path for path in folder.iterdir() if is_visible(path.name))
    folders = [path for path in inside if path.is_dir()]
    if not any(known.code(path.name) is not None for path in folders):
        return None
    for path in inside:
        if not path.suffix and not path.exists():
            raise DataError(
                f"{path} is a link that leads nowhere",
                hint="fetch what it stands for, or remove it",
            )
    try:
        paths = [path for one in folders for path in named_files(one, SUFFIXES, reporter)]
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be opened ({error.strerror})",
            hint="allow it, or remove the folder",
        ) from error
    return LabelledPictures(paths, [path.relative_to(folder).parts[0] for path in paths])


def ask(
    recognizer: Recognizer,
    pictures: LabelledPictures,
    *,
    faces: Faces,
    advance: Callable[[int], None] = lambda _: None,
) -> Answers:
    """Look at every picture, and answer for its face.

    Parameters
    ----------
    recognizer : Recognizer
    pictures : LabelledPictures
    faces : {"none", "largest"}
        "none": the pictures are faces; "largest": find the largest in each.
    advance : callable
        Told how many pictures are done, each time some are.
    """
    rows, names = [], []
    unread = unfound = 0
    for name, prediction in zip(
        pictures.names, recognizer.stream(pictures.paths, faces=faces), strict=True
    ):
        if prediction.error is not None:
            unread += 1
        elif not prediction.faces:
            unfound += 1
        else:
            rows.append(list(prediction.faces[0].probabilities.values()))
            names.append(name)
        advance(1)
    table = np.array(rows, np.float32).reshape(-1, len(recognizer.info.labels))
    return Answers(table, names, unread, unfound)


def evaluate(labels: tuple[str, ...], answers: Answers) -> Evaluation:
    """Score answers on the classes in common.

    Parameters
    ----------
    labels : tuple of str
        The model's, in the order of the answers' columns.
    answers : Answers

    Raises
    ------
    DataError
        If fewer than two classes are in common, or no face is of one.
    """
    if not answers.names:
        raise DataError(
            f"no picture has an answer: {answers.unread:,} cannot be read, and in "
            f"{answers.unfound:,} no face is found",
            hint="give pictures of faces, or --faces none for faces that are cut out",
        )
    known = label_set_of(labels)
    codes = {name: known.code(name) for name in set(answers.names)}
    common = sorted({code for code in codes.values() if code is not None})
    if len(common) < 2:
        raise DataError(
            f"the data set's classes are {', '.join(sorted(codes))} and the model's "
            f"{', '.join(labels)}",
            hint="give a data set with at least two of them",
        )
    of_rows = [codes[name] for name in answers.names]
    kept = np.array([code is not None for code in of_rows])
    y_true = np.searchsorted(common, [code for code in of_rows if code is not None])
    said = np.maximum(answers.probabilities[kept][:, common].astype(np.float64), _LEAST)
    said /= said.sum(axis=1, keepdims=True)
    names = tuple(labels[code] for code in common)
    scores = score(y_true, said.argmax(axis=1), names)
    confusion = np.array(scores.confusion)
    hits = confusion.diagonal()
    return Evaluation(
        scores,
        accuracy_interval=proportion_interval(int(hits.sum()), scores.rows),
        f1_macro_interval=f1_macro_interval(confusion),
        recall_intervals={
            name: proportion_interval(int(hits[row]), int(confusion[row].sum()))
            for row, name in enumerate(names)
        },
        log_loss=log_loss(said, y_true),
        calibration_error=calibration_error(said, y_true),
        left_out=dict(Counter(name for name in answers.names if codes[name] is None)),
        unused=tuple(label for code, label in enumerate(labels) if code not in common),
        unread=answers.unread,
        unfound=answers.unfound,
    )
