from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE

from fer_fast.balance.smote import balance_classes
from fer_fast.errors import DataError, FerFastError, ParameterError
from fer_fast.progress import SILENT, Task

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Listener:
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def task(self, description: str, total: int, unit: str = "") -> AbstractContextManager[Task]:
        return SILENT.task(description, total, unit)


def relu_like(sizes: list[int], n_features: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.uint8)
    X = np.clip(rng.normal(size=(len(y), n_features)) + 0.2 * y[:, None], 0, 6)
    return X.astype(np.float32), y


def test_equals_imbalanced_learns_default():
    X, y = relu_like([60, 200, 33, 120])
    # Exact duplicates are what FER-2013 is full of: a row is then not its only nearest row.
    twins = np.flatnonzero(y == 0)[:6]
    X[twins[3:]] = X[twins[:3]]
    expected_X, expected_y = SMOTE(random_state=7).fit_resample(X, y)
    balanced_X, balanced_y = balance_classes(X, y, random_state=7)
    np.testing.assert_array_equal(balanced_X, expected_X)
    np.testing.assert_array_equal(balanced_y, expected_y)
    assert balanced_X.dtype == np.float32
    assert balanced_y.dtype == y.dtype


def test_rows_of_ties_lie_between_a_row_and_one_of_its_nearest():
    # Zeros and ones: most rows have more rows equally near than neighbours are taken.
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(2, dtype=np.uint8), [90, 40])
    X = rng.integers(0, 2, size=(130, 8)).astype(np.float32)
    balanced, labels = balance_classes(X, y, random_state=3)
    theirs, _ = SMOTE(random_state=3).fit_resample(X, y)
    assert len(balanced) == len(theirs)
    assert (balanced != theirs).any(), "without ties this would say nothing"

    small = X[y == 1].astype(np.float64)
    squares = ((small[:, None] - small[None]) ** 2).sum(axis=2)
    kth = np.sort(squares, axis=1)[:, 5]
    pairs = [(small[i], small[j]) for i in range(40) for j in range(40) if squares[i, j] <= kth[i]]
    starts, steps = np.array([a for a, _ in pairs]), np.array([b - a for a, b in pairs])
    lengths = np.maximum((steps**2).sum(axis=1), 1)
    assert (labels[130:] == 1).all()
    for row in balanced[130:].astype(np.float64):
        shares = np.clip(((row - starts) * steps).sum(axis=1) / lengths, 0, 1)
        gaps = np.abs(starts + shares[:, None] * steps - row).max(axis=1)
        assert gaps.min() < 1e-6


def test_keeps_the_real_rows_first_and_announces_the_counts():
    X, y = relu_like([10, 30])
    listener = Listener()
    balanced_X, balanced_y = balance_classes(X, y, reporter=listener)
    np.testing.assert_array_equal(balanced_X[:40], X)
    assert np.bincount(balanced_y).tolist() == [30, 30]
    assert listener.notes == ["classes balanced by SMOTE: 0: 10, 1: 30 became 0: 30, 1: 30"]
    assert not listener.warnings


def test_classes_are_called_by_their_names():
    X, y = relu_like([1, 10, 30])
    listener = Listener()
    balance_classes(X, y, class_names=("angry", "disgust", "fear"), reporter=listener)
    assert "class angry has a single training row" in listener.warnings[0]
    assert "disgust: 10, fear: 30 became" in listener.notes[0]


def test_synthetic_rows_lie_between_rows_of_their_class():
    X, y = relu_like([12, 50])
    balanced_X, balanced_y = balance_classes(X, y)
    synthetic = balanced_X[len(y) :]
    assert (balanced_y[len(y) :] == 0).all()
    minority = X[y == 0]
    assert (synthetic >= minority.min(axis=0) - 1e-5).all()
    assert (synthetic <= minority.max(axis=0) + 1e-5).all()


def test_small_class_lowers_k_for_the_run():
    X, y = relu_like([3, 20, 12])
    listener = Listener()
    balanced_X, balanced_y = balance_classes(X, y, reporter=listener)
    assert np.bincount(balanced_y).tolist() == [20, 20, 20]
    assert listener.warnings == [
        "the smallest class has 3 training rows: SMOTE uses 2 neighbours instead of 5"
    ]
    expected_X, _ = SMOTE(k_neighbors=2, random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(balanced_X, expected_X)


def test_single_row_class_is_left_alone():
    X, y = relu_like([1, 20, 12])
    listener = Listener()
    _, balanced_y = balance_classes(X, y, reporter=listener)
    assert np.bincount(balanced_y).tolist() == [1, 20, 20]
    assert listener.warnings == ["class 0 has a single training row: SMOTE leaves it alone"]


def test_nothing_to_do_returns_the_same_arrays():
    X, y = relu_like([9, 9])
    assert balance_classes(X, y)[0] is X
    X, y = relu_like([4, 9])
    assert balance_classes(X, y, "none")[0] is X


def test_refuses_what_it_cannot_balance():
    X, y = relu_like([4, 9])
    with pytest.raises(ParameterError, match="unknown balancing method 'adasyn'"):
        balance_classes(X, y, "adasyn")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="k_neighbors is 0"):
        balance_classes(X, y, k_neighbors=0)
    with pytest.raises(DataError, match="does not match 12 labels"):
        balance_classes(X, y[:-1])
    X[3, 3] = np.nan
    with pytest.raises(DataError, match="NaN"):
        balance_classes(X, y)


def test_without_its_package_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imblearn", None)
    X, y = np.zeros((6, 2), np.float32), np.array([0, 0, 0, 0, 1, 1])
    with pytest.raises(FerFastError, match=r"pip install 'fer-fast\[train\]'.*--balance none"):
        balance_classes(X, y)
    # Nothing is needed where nothing is made.
    assert balance_classes(X, y, "none")[0] is X
