"""Scores of predictions on held-out rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support


@dataclass(frozen=True)
class ClassScores:
    """One class against the rest; all but `support` (a count of rows) are fractions."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Scores:
    """What a classifier scored on a set of rows; fractions from 0 to 1.

    Averages are scikit-learn's: *weighted* by each class' support, *macro* over the classes that
    occur among the true or predicted labels. A ratio without rows counts as 0.

    Attributes
    ----------
    per_class : dict of str to ClassScores
        By class name, every class of the data set.
    confusion : list of list of int
        Row: true class; column: predicted class; in the order of `per_class`.
    rows : int
        How many rows were scored.
    """

    accuracy: float
    precision_weighted: float
    recall_weighted: float
    f1_weighted: float
    precision_macro: float
    recall_macro: float
    f1_macro: float
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]
    rows: int


@dataclass(frozen=True)
class HeldOutScores:
    """The same predictions scored twice.

    Attributes
    ----------
    test : Scores
        On all test rows.
    test_deduplicated : Scores
        On the test rows whose exact image stands in no other split.
    own_labels : HeldOutScores or None
        The same predictions on the same rows against the labels that the data came with, where
        others took their place.
    """

    test: Scores
    test_deduplicated: Scores
    own_labels: HeldOutScores | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as JSON types, those that there are."""
        scores = asdict(self)
        del scores["own_labels"]
        return (
            scores
            if self.own_labels is None
            else scores | {"own_labels": self.own_labels.as_dict()}
        )


def score(
    y_true: NDArray[np.integer], y_pred: NDArray[np.integer], class_names: tuple[str, ...]
) -> Scores:
    """Score predicted labels against the true ones.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_rows,), integer
        Positions in `class_names`.
    class_names : tuple of str
        Every class, in the order of its label.
    """
    labels = np.arange(len(class_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        y_true, y_pred, labels=labels, zero_division=0.0
    )
    averages = {
        average: precision_recall_fscore_support(y_true, y_pred, average=average, zero_division=0.0)
        for average in ("weighted", "macro")
    }
    return Scores(
        accuracy=float(accuracy_score(y_true, y_pred)),
        **{
            f"{name}_{average}": float(averages[average][position])
            for average in averages
            for position, name in enumerate(("precision", "recall", "f1"))
        },
        per_class={
            name: ClassScores(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, name in enumerate(class_names)
        },
        confusion=confusion_matrix(y_true, y_pred, labels=labels).tolist(),
        rows=len(y_true),
    )


def score_held_out(
    y_true: NDArray[np.integer],
    y_pred: NDArray[np.integer],
    shared: NDArray[np.bool_],
    class_names: tuple[str, ...],
    *,
    y_own: NDArray[np.integer] | None = None,
) -> HeldOutScores:
    """Score test predictions with and without the rows that stand in another split.

    Parameters
    ----------
    y_true, y_pred : ndarray of shape (n_test,), integer
    shared : ndarray of shape (n_test,), bool
        True where the row's exact image stands in another split, where a classifier may have
        seen it.
    class_names : tuple of str
    y_own : ndarray of shape (n_test,), integer, or None
        The labels that the data came with, where `y_true` took their place.
    """
    own = ~shared
    return HeldOutScores(
        test=score(y_true, y_pred, class_names),
        test_deduplicated=score(y_true[own], y_pred[own], class_names),
        own_labels=None if y_own is None else score_held_out(y_own, y_pred, shared, class_names),
    )
