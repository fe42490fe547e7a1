"""Scores against hand-computed ones, and against each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fer_fast.classifier.scores import score, score_held_out

NAMES = ("a", "b", "c")


def test_scores_match_a_table_worked_by_hand():
    # b is never predicted, c never true.
    scores = score(np.array([0, 0, 0, 1]), np.array([0, 0, 2, 0]), NAMES)
    assert scores.accuracy == 0.5
    assert scores.confusion == [[2, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert scores.per_class["a"].precision == pytest.approx(2 / 3)
    assert scores.per_class["a"].recall == pytest.approx(2 / 3)
    assert scores.per_class["b"].f1 == 0.0
    assert scores.per_class["c"].support == 0
    assert scores.f1_weighted == pytest.approx(0.75 * 2 / 3)
    assert scores.f1_macro == pytest.approx((2 / 3) / 3)
    assert scores.rows == 4


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


@given(
    labels=hnp.arrays(np.int64, (2, 30), elements=st.integers(0, 2)),
)
def test_averages_are_those_counted_class_by_class(labels):
    y_true, y_pred = labels
    scores = score(y_true, y_pred, NAMES)
    counted = {}
    for c in sorted({*y_true.tolist(), *y_pred.tolist()}):
        right = int(((y_true == c) & (y_pred == c)).sum())
        there, said = int((y_true == c).sum()), int((y_pred == c).sum())
        precision, recall = ratio(right, said), ratio(right, there)
        f1 = ratio(2 * precision * recall, precision + recall)
        counted[c] = {"precision": precision, "recall": recall, "f1": f1, "weight": there}
        assert scores.per_class[NAMES[c]].support == there
    for measure in ("precision", "recall", "f1"):
        # Over the classes that occur, as scikit-learn has it.
        macro = sum(one[measure] for one in counted.values()) / len(counted)
        weighted = sum(one[measure] * one["weight"] for one in counted.values()) / 30
        assert getattr(scores, f"{measure}_macro") == pytest.approx(macro)
        assert getattr(scores, f"{measure}_weighted") == pytest.approx(weighted)
    assert np.trace(scores.confusion) == pytest.approx(scores.accuracy * scores.rows)
    assert scores.recall_weighted == pytest.approx(scores.accuracy)


@given(
    labels=hnp.arrays(np.int64, (2, 20), elements=st.integers(0, 2)),
    shared=hnp.arrays(np.bool_, 20).filter(lambda mask: not mask.all()),
)
def test_deduplicated_scores_are_those_of_the_other_rows_alone(labels, shared):
    y_true, y_pred = labels
    evaluation = score_held_out(y_true, y_pred, shared, NAMES)
    assert evaluation.test == score(y_true, y_pred, NAMES)
    assert evaluation.test_deduplicated == score(y_true[~shared], y_pred[~shared], NAMES)
    assert evaluation.test_deduplicated.rows == 20 - shared.sum()


@given(labels=hnp.arrays(np.int64, (3, 20), elements=st.integers(0, 2)))
def test_own_labels_score_the_same_predictions(labels):
    y_true, y_pred, y_own = labels
    shared = np.arange(20) % 3 == 0
    both = score_held_out(y_true, y_pred, shared, NAMES, y_own=y_own)
    assert both.own_labels == score_held_out(y_own, y_pred, shared, NAMES)
    alone = score_held_out(y_true, y_pred, shared, NAMES)
    assert alone.own_labels is None
    assert alone.as_dict().keys() == {"test", "test_deduplicated"}
    assert both.as_dict() == alone.as_dict() | {"own_labels": both.own_labels.as_dict()}
