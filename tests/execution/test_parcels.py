"""What workers hold: packed once, mapped or sent, the same wherever it is opened."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.extra.numpy import array_shapes, arrays

from fer_fast import __version__
from fer_fast.errors import WorkersError
from fer_fast.execution.parcels import Absent, Parcel, Ticket, call, pack, portable, unpack

SOME_ARRAYS = arrays(np.float32, array_shapes(max_dims=3, min_side=0), elements=st.floats(width=32))


def packed(thing: Any) -> tuple[bytes, str]:
    file = io.BytesIO()
    digest = pack(thing, file)
    return file.getvalue(), digest


@hypothesis.given(st.lists(SOME_ARRAYS, max_size=4), st.text(), st.booleans())
def test_what_is_packed_comes_out_the_same(arrays: list[Any], text: str, turned: bool) -> None:
    things = [array.T if turned else array for array in arrays]
    found, said = unpack(memoryview(packed((things, text))[0]))
    assert said == text
    for array, thing in zip(found, things, strict=True):
        assert (array.dtype, array.shape) == (thing.dtype, thing.shape)
        np.testing.assert_array_equal(array, thing)


def test_arrays_lie_over_the_file_and_cannot_be_changed() -> None:
    content, _ = packed([np.arange(1000.0), np.arange(7)])
    memory = memoryview(content)
    for array in unpack(memory):
        assert np.shares_memory(array, np.frombuffer(memory, np.uint8))
        assert not array.flags.writeable
        assert array.ctypes.data % array.itemsize == 0


def test_equal_things_have_one_digest_and_others_another() -> None:
    assert packed(np.arange(9))[1] == packed(np.arange(9))[1]
    assert packed(np.arange(9))[1] != packed(np.arange(10))[1]


def test_functions_of_a_script_can_be_packed() -> None:
    three = 3
    assert unpack(memoryview(packed(lambda x: three * x)[0]))(5) == 15


def ask(parcel: Parcel, *contents: Any) -> Any:
    return call(__version__, np.sum, [parcel.ticket], [], *contents)


def test_a_worker_that_has_no_way_to_a_thing_says_so(tmp_path: Path) -> None:
    parcel = Parcel(np.arange(5), tmp_path)
    assert ask(parcel) == 10
    parcel.pack()
    elsewhere = [Ticket(parcel.ticket.name, str(tmp_path / "not there"))]
    assert call(__version__, np.sum, elsewhere, []) == Absent(frozenset([parcel.ticket.name]))
    content = Path(str(parcel.ticket.path)).read_bytes()
    assert call(__version__, np.sum, elsewhere, [], content) == 10
    # From then on it holds it.
    assert call(__version__, np.sum, elsewhere, []) == 10


def test_a_released_parcel_leaves_no_file(tmp_path: Path) -> None:
    parcel = Parcel(np.arange(3), tmp_path)
    parcel.pack()
    assert len(list(tmp_path.iterdir())) == 1
    parcel.release()
    assert list(tmp_path.iterdir()) == []


def test_a_worker_of_another_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkersError, match=r"this is 0\.0\.1"):
        call("0.0.1", np.sum, [Parcel(np.arange(3), tmp_path).ticket], [])


class UnsentError(Exception):
    # Not by its arguments: Dask's way to send errors, once imported, would do without.
    def __reduce__(self) -> Any:
        raise TypeError("it holds a lock")


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    error = portable(UnsentError("1 and 2"))
    assert type(error) is RuntimeError
    assert str(error) == "UnsentError: 1 and 2"
    same = ValueError("as it is")
    assert portable(same) is same
