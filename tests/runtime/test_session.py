from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_fast.errors import FerFastError, ParameterError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.features import cached_features
from fer_fast.runtime.lanes import plan_cpu
from fer_fast.runtime.session import Session, open_session


@pytest.fixture(scope="module")
def session(random_model: Path) -> Session:
    return open_session(random_model, "cpu")


@pytest.fixture
def dataset(faces: NDArray[np.uint8]) -> FaceDataset:
    zeros = np.zeros(len(faces), dtype=np.uint8)
    return FaceDataset(faces, zeros, zeros, "test")


@pytest.mark.parametrize("batch_size", [None, 1, 7, 40, 1000])
def test_row_i_belongs_to_face_i_whatever_the_batch(
    session: Session, random_model: Path, faces: NDArray[np.uint8], batch_size: int | None
) -> None:
    runtime = onnxruntime.InferenceSession(random_model)
    one_by_one = [runtime.run(None, {"pixels": face[None]})[0][0] for face in faces]
    features = session.features(faces, batch_size=batch_size)
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    np.testing.assert_allclose(features, one_by_one, rtol=1e-4, atol=1e-4)


def test_no_faces_give_no_rows(session: Session, faces: NDArray[np.uint8]) -> None:
    assert session.features(faces[:0]).shape == (0, session.n_features)


def test_progress_counts_every_face(session: Session, faces: NDArray[np.uint8]) -> None:
    steps: list[int] = []
    session.features(faces, batch_size=16, advance=steps.append)
    assert steps == [16, 16, 8]


def test_a_batch_of_nothing_is_refused(session: Session, faces: NDArray[np.uint8]) -> None:
    for batch_size in (0, -1):
        with pytest.raises(ParameterError, match=f"batch size is {batch_size}"):
            session.features(faces, batch_size=batch_size)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_jobs_bounds_the_threads_and_changes_no_bit(
    session: Session, random_model: Path, faces: NDArray[np.uint8], jobs: int
) -> None:
    expected = session.features(faces, batch_size=4)
    before = set(threading.enumerate())
    seen: set[threading.Thread] = set()

    def look(_: int) -> None:
        seen.update(set(threading.enumerate()) - before)

    bounded = open_session(random_model, "cpu", jobs=jobs)
    for _ in range(2):
        features = bounded.features(faces, batch_size=4, advance=look)
        np.testing.assert_array_equal(features, expected)
    assert len(seen) == jobs


def test_no_jobs_are_refused(random_model: Path) -> None:
    with pytest.raises(ParameterError, match="jobs is 0"):
        open_session(random_model, "cpu", jobs=0)


def test_an_interrupt_ends_within_a_batch_and_leaves_the_session_usable(
    session: Session, faces: NDArray[np.uint8]
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    expected = session.features(faces, batch_size=8)
    with pytest.raises(KeyboardInterrupt):
        session.features(faces, batch_size=1, advance=interrupt)
    np.testing.assert_array_equal(session.features(faces, batch_size=8), expected)


@pytest.mark.usefixtures("cache")
def test_the_second_time_comes_from_the_cache(
    session: Session, dataset: FaceDataset, recorder: Any
) -> None:
    first = cached_features(session, dataset, reporter=recorder)
    assert recorder.steps == len(dataset)
    second = cached_features(session, dataset, reporter=recorder)
    assert recorder.steps == len(dataset)
    assert ["nothing to extract" in note for note in recorder.notes] == [True]
    assert (second.shape, second.dtype) == (first.shape, np.float32)
    assert second.flags.c_contiguous
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("damage", ["truncated", "one bit", "checksum", "no checksum"])
def test_a_damaged_cache_is_announced_and_rebuilt(
    session: Session, dataset: FaceDataset, recorder: Any, cache: Path, damage: str
) -> None:
    expected = cached_features(session, dataset)
    (path,) = (cache / "features").glob("*.npy")
    if damage == "truncated":
        os.truncate(path, path.stat().st_size - 4)
    elif damage == "one bit":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "checksum":
        path.with_name(path.name + ".sha256").write_bytes(b"\xff" * 64)
    else:
        path.with_name(path.name + ".sha256").unlink()
    np.testing.assert_array_equal(cached_features(session, dataset, reporter=recorder), expected)
    assert ["damaged" in warning for warning in recorder.warnings] == [True]
    assert recorder.steps == len(dataset)
    cached_features(session, dataset, reporter=recorder)
    assert len(recorder.notes) == 1


@pytest.mark.usefixtures("cache")
def test_other_faces_have_a_cache_of_their_own(
    session: Session, dataset: FaceDataset, recorder: Any
) -> None:
    cached_features(session, dataset)
    turned = FaceDataset(dataset.pixels[::-1], dataset.labels, dataset.splits, "turned")
    features = cached_features(session, turned, reporter=recorder)
    assert recorder.notes == []
    np.testing.assert_allclose(
        features, session.features(dataset.pixels)[::-1], rtol=1e-4, atol=1e-4
    )


@pytest.mark.usefixtures("cache")
def test_a_full_disk_costs_the_cache_and_not_the_features(
    session: Session, dataset: FaceDataset, recorder: Any, cache: Path
) -> None:
    # A file-size limit fails the write as a full disk does.
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        features = cached_features(session, dataset, reporter=recorder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert features.shape == (len(dataset), session.n_features)
    assert recorder.warnings
    assert "in memory alone" in recorder.warnings[-1]
    assert list((cache / "features").glob("*.npy")) == []


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, random_model: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(random_model.read_bytes()[:-100] if content is None else content)
    with pytest.raises(FerFastError, match=r"broken\.onnx"):
        open_session(path, "cpu")


@given(st.integers(1, 10**30), st.integers(1, 10**30))
def test_what_takes_more_memory_is_computed_in_smaller_batches(a: int, b: int) -> None:
    small, large = (plan_cpu(face_bytes, 3) for face_bytes in sorted((a, b)))
    assert small.batch_size >= large.batch_size >= 1
    assert small.lanes == large.lanes == 3
    # So that blocks for other machines end where batches do.
    assert 1024 % small.batch_size == 1024 % large.batch_size == 0


def test_an_unknown_device_is_refused(random_model: Path) -> None:
    with pytest.raises(ParameterError, match="'tpu'"):
        open_session(random_model, "tpu")  # type: ignore[arg-type]


def _open_in_a_child(model: Path, device: str) -> subprocess.CompletedProcess[str]:
    script = (
        "from pathlib import Path\n"
        "from fer_fast.runtime.session import open_session\n"
        "from fer_fast.errors import DeviceError\n"
        "from fer_fast.progress import SILENT\n"
        "class Reporter(type(SILENT)):\n"
        "    def note(self, message): print('note:', message)\n"
        "try:\n"
        f"    print(open_session(Path({str(model)!r}), {device!r}, reporter=Reporter()).device)\n"
        "except DeviceError as error:\n"
        "    print('error:', error)\n"
    )
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=hidden
    )


def test_auto_falls_back_with_one_line_that_says_why(random_model: Path) -> None:
    child = _open_in_a_child(random_model, "auto")
    note, device = child.stdout.splitlines()
    assert device == "cpu"
    assert note.startswith("note: device: cpu, because ")
    assert child.stderr == ""


def test_cuda_does_not_fall_back(random_model: Path) -> None:
    child = _open_in_a_child(random_model, "cuda")
    (line,) = child.stdout.splitlines()
    assert line.startswith("error: ")
    assert any(piece in line for piece in ("driver", "without CUDA"))
    assert child.stderr == ""
