"""Features in blocks and in parts are the features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from fer_fast import features
from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.features import Shard, cached_features, cached_shard, merged_features
from fer_fast.runtime.session import Session, open_session


@pytest.fixture(scope="module")
def session(plain_backbone: Path) -> Session:
    return open_session(plain_backbone, "cpu", jobs=1)


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    rng = np.random.default_rng(6)
    labels = (np.arange(53) % 7).astype(np.uint8)
    return FaceDataset(rng.integers(0, 256, (53, 48, 48), np.uint8), labels, labels % 3, "few")


@pytest.fixture
def expected(session: Session, dataset: FaceDataset) -> Any:
    return session.features(dataset.pixels)


@hypothesis.given(st.integers(0, 10**9), st.integers(1, 10**5))
def test_parts_cover_every_face_once_and_differ_by_one_face_at_most(n_faces: int, of: int) -> None:
    numbers = {1, 2, of // 2, of - 1, of} & set(range(1, of + 1))
    for number in numbers:
        rows = Shard(number, of).rows(n_faces)
        assert rows.start == (0 if number == 1 else Shard(number - 1, of).rows(n_faces).stop)
        assert n_faces // of <= rows.stop - rows.start <= n_faces // of + 1
    assert Shard(of, of).rows(n_faces).stop == n_faces


def test_blocks_are_written_as_one_array_is(
    session: Session,
    dataset: FaceDataset,
    expected: Any,
    cache: Path,
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = cached_features(session, dataset)
    (path,) = (cache / "features").glob("*.npy")
    at_once = path.read_bytes()
    path.unlink()
    monkeypatch.setattr(features, "_BLOCK_BYTES", 10 * 4 * session.n_features)
    in_blocks = cached_features(session, dataset, reporter=recorder)
    assert path.read_bytes() == at_once
    assert isinstance(in_blocks, np.memmap)
    assert recorder.steps == len(dataset)
    np.testing.assert_array_equal(in_blocks, expected)
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("of", [1, 3, 60])
def test_parts_that_are_joined_are_what_one_machine_computes(
    session: Session, dataset: FaceDataset, expected: Any, cache: Path, recorder: Any, of: int
) -> None:
    # In any order, and one of them twice.
    for number in (*range(of, 0, -1), of):
        cached_shard(session, dataset, Shard(number, of), reporter=recorder)
    assert recorder.steps == len(dataset)
    np.testing.assert_array_equal(merged_features(session, dataset), expected)
    assert len(list((cache / "features").glob("*.npy"))) == 1
    cached_features(session, dataset, reporter=recorder)
    assert "nothing to extract" in recorder.notes[-1]
    np.testing.assert_array_equal(merged_features(session, dataset), expected)


@pytest.mark.usefixtures("cache")
def test_missing_parts_are_named(session: Session, dataset: FaceDataset) -> None:
    with pytest.raises(DataError, match="no part of the features of few"):
        merged_features(session, dataset)
    for number in (1, 3):
        cached_shard(session, dataset, Shard(number, 4))
    with pytest.raises(DataError, match=r"of 4 parts the cache lacks 2, 4: .*--shard 2/4"):
        merged_features(session, dataset)
    # Of another division all parts but one are there.
    cached_shard(session, dataset, Shard(1, 2))
    with pytest.raises(DataError, match=r"of 2 parts the cache lacks 2: "):
        merged_features(session, dataset)


def test_a_damaged_part_is_refused_and_can_be_made_again(
    session: Session, dataset: FaceDataset, expected: Any, cache: Path
) -> None:
    for number in (1, 2):
        path = cached_shard(session, dataset, Shard(number, 2))
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(DataError, match="part 2 of 2 is damaged"):
        merged_features(session, dataset)
    assert path.stat().st_size == before.st_size
    path.unlink()
    cached_shard(session, dataset, Shard(2, 2))
    np.testing.assert_array_equal(merged_features(session, dataset), expected)
    assert not list((cache / "features").glob("*-of-*"))


def test_a_part_that_is_not_whole_has_no_name(
    session: Session, dataset: FaceDataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_BLOCK_BYTES", 4 * session.n_features)
    seen: list[list[Path]] = []

    class Counting:
        def task(self, *_: object) -> Any:
            return self

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def advance(self, *_: object) -> None:
            seen.append(list((cache / "features").glob("faces-*.npy")))
            if len(seen) == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_shard(session, dataset, Shard(1, 2), reporter=Counting())  # type: ignore[arg-type]
    assert seen == [[]] * 5
    assert list((cache / "features").glob("faces-*")) == []
