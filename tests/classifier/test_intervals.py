"""Intervals against SciPy's, scikit-learn's F1 and a bootstrap over single rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

from fer_fast.classifier.intervals import f1_macro, f1_macro_interval, proportion_interval


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_proportion_has_wilsons_interval(counts: tuple[int, int]) -> None:
    hits, rows = counts
    expected = binomtest(hits, rows).proportion_ci(method="wilson")
    assert proportion_interval(hits, rows) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_without_rows_nothing_is_known() -> None:
    assert proportion_interval(0, 0) == (0, 1)
    assert f1_macro_interval(np.zeros((3, 3), int)) == (0, 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_macro_f1_of_a_confusion_is_scikit_learns(pairs: list[Any]) -> None:
    true, said = zip(*pairs, strict=True)
    confusion = confusion_matrix(true, said, labels=range(4))
    expected = f1_score(true, said, average="macro", zero_division=0)
    assert float(f1_macro(confusion)) == pytest.approx(expected)


def test_the_bootstrap_of_counts_is_the_bootstrap_of_rows() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 400)
    said = np.where(rng.random(400) < 0.7, true, rng.integers(0, 4, 400))
    scores = []
    for _ in range(1500):
        rows = rng.integers(0, 400, 400)
        scores.append(f1_score(true[rows], said[rows], average="macro"))
    expected = np.quantile(scores, (0.025, 0.975))
    found = f1_macro_interval(confusion_matrix(true, said))
    assert found == pytest.approx(expected, abs=0.012)
