"""Rows drawn class by class, whatever the sizes of the classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fer_fast.errors import ParameterError
from fer_fast.faces.splitting import stratified_parts


@given(st.lists(st.integers(1, 30), min_size=2, max_size=7), st.data())
def test_the_parts_are_disjoint_and_have_each_class_share(
    sizes: list[int], data: st.DataObject
) -> None:
    assume(max(sizes) > 1)
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    n_divided = sum(size > 1 for size in sizes)
    n_first = data.draw(st.integers(len(sizes), len(y) - n_divided))
    first, second = stratified_parts(y, n_first, random_state=1)
    assert len(first) == n_first
    assert sorted([*first, *second]) == list(range(len(y)))
    shares = np.bincount(y[first], minlength=len(sizes)) / sizes
    lone = np.array(sizes) == 1
    assert (shares[lone] == 1).all()
    # A row more or less than the exact share, in each part.
    exact = (n_first - lone.sum()) / (len(y) - lone.sum())
    assert (np.abs(shares - exact)[~lone] <= 1.01 / np.array(sizes)[~lone]).all()


@pytest.mark.parametrize("n_first", [3, 22, 24])
def test_parts_without_room_for_each_class_are_refused(n_first: int) -> None:
    y = np.repeat(np.arange(4), [1, 3, 8, 12])
    with pytest.raises(ParameterError, match="draw 4 to 21, so that both parts"):
        stratified_parts(y, n_first, random_state=0)
