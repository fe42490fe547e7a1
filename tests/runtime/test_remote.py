"""A model on workers gives the features that it gives here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_fast.errors import DeviceError
from fer_fast.execution.workers import Workers
from fer_fast.faces.dataset import FaceDataset
from fer_fast.features import cached_features
from fer_fast.runtime.remote import RemoteSession
from fer_fast.runtime.session import open_session

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def many() -> NDArray[np.uint8]:
    """Return three blocks of faces and a part of one."""
    return np.random.default_rng(1).integers(0, 256, (3 * 1024 + 50, 48, 48), np.uint8)


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    # Sessions of ONNX Runtime do not survive a fork.
    with ProcessPoolExecutor(2, get_context("spawn")) as executor:
        yield executor


def test_workers_compute_every_bit_as_this_process_does(
    pool: ProcessPoolExecutor, random_model: Path, faces: NDArray[np.uint8]
) -> None:
    pixels = np.concatenate([faces] * 27)
    here = open_session(random_model, "cpu", jobs=1)
    done = []
    with Workers(pool) as workers:
        there = RemoteSession(random_model, workers, "cpu")
        found = there.features(pixels, advance=done.append)
    np.testing.assert_array_equal(found, here.features(pixels))
    assert sum(done) == len(pixels)
    for name in ("device", "kind", "precision", "model_digest", "n_features"):
        assert getattr(there, name) == getattr(here, name)


def test_a_worker_killed_in_the_middle_changes_nothing(
    pool: ProcessPoolExecutor, plain_backbone: Path, many: NDArray[np.uint8], recorder: Any
) -> None:
    victims = []

    def kill_one(_: int) -> None:
        if not victims:
            victims.append(next(iter(pool._processes)))
            os.kill(victims[0], signal.SIGKILL)

    with Workers(pool, reporter=recorder) as workers:
        there = RemoteSession(plain_backbone, workers, "cpu")
        found = there.features(many, advance=kill_one)
    np.testing.assert_array_equal(found, open_session(plain_backbone, "cpu").features(many))
    assert victims


def test_the_cache_does_not_tell_workers_from_this_process(
    pool: ProcessPoolExecutor, plain_backbone: Path, many: NDArray[np.uint8], recorder: Any
) -> None:
    rows = np.arange(len(many)) % 3
    dataset = FaceDataset(many, rows.astype(np.uint8), rows.astype(np.uint8), "many")
    with Workers(pool) as workers:
        computed = cached_features(RemoteSession(plain_backbone, workers, "cpu"), dataset)
    known = cached_features(open_session(plain_backbone, "cpu"), dataset, reporter=recorder)
    assert any("nothing to extract" in note for note in recorder.notes)
    np.testing.assert_array_equal(known, computed)


def test_what_a_worker_cannot_do_is_said_here(
    pool: ProcessPoolExecutor, plain_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with Workers(pool) as workers, pytest.raises(DeviceError):
        RemoteSession(plain_backbone, workers, "cuda")
