"""Bytes that come in any order are the same in memory and in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_fast.errors import OutputError
from fer_fast.storage import spool
from fer_fast.storage.spool import Spool

PIECES = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 100)), min_size=1)


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> Path:
    return cache


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PIECES, st.sampled_from([0, 30, 1000]))
def test_pieces_lie_where_they_were_put(pieces: list[tuple[bytes, int]], limit: int) -> None:
    expected = bytearray()
    with patch.object(spool, "MAPPED_BYTES", limit), Spool() as one:
        for content, at in pieces:
            one.write(content, at)
            expected.extend(bytes(max(0, at + len(content) - len(expected))))
            expected[at : at + len(content)] = content
        found = one.array()
    assert found.tobytes() == bytes(expected)
    assert isinstance(found, np.memmap) is (len(expected) > limit)


@pytest.mark.skipif(sys.platform == "win32", reason="every file has a name there")
def test_nothing_has_a_name_and_the_array_outlives_the_spool(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAPPED_BYTES", 10)
    with Spool() as one:
        one.write(bytes(range(100)), 0)
        assert [path for path in cache.rglob("*") if path.is_file()] == []
        found = one.array()
    assert found.tolist() == list(range(100))


def test_a_full_disk_is_one_sentence(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource: Any = pytest.importorskip("resource", reason="no limit on the size of files")
    monkeypatch.setattr(spool, "MAPPED_BYTES", 10)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Spool() as one, pytest.raises(OutputError, match=f"cannot write {cache}"):
        # A limit on the size of files refuses writes as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            one.write(bytes(100_000), 0)
            one.array()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
