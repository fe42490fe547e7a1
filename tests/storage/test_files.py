"""Files appear whole or not at all."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_fast.errors import OutputError
from fer_fast.storage.files import (
    cache_dir,
    file_digest,
    folder_size,
    remove_abandoned,
    scratch_dir,
    written_whole,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with written_whole(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["file.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(failure), written_whole(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_a_refused_write_says_where_and_why(tmp_path):
    path = tmp_path / "file.txt"
    with (
        pytest.raises(OutputError, match=r"cannot write .*file\.txt \(No space left"),
        written_whole(path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names_in(tmp_path) == []


def test_a_folder_below_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot create the folder"),
        written_whole(tmp_path / "file" / "below" / "x"),
    ):
        pass


def test_others_may_read_what_the_umask_allows(tmp_path):
    path = tmp_path / "file.txt"
    before = os.umask(0o027)
    try:
        with written_whole(path) as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_environment_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir("features") == tmp_path / "elsewhere" / "features"
    assert cache_dir("features").is_dir()


def test_the_digest_is_sha256(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(b"abc" * 100_000)
    assert file_digest(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


HOLD_A_FOLDER = """
import sys, time
from fer_fast.storage import scratch_dir
with scratch_dir() as folder:
    (folder / "below").mkdir()
    (folder / "below" / "large").write_bytes(bytes(50_000))
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_scratch_folder_ends_with_its_block_whatever_happens(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), scratch_dir() as folder:
        (folder / "file").write_text("x")
        raise KeyboardInterrupt
    assert names_in(folder.parent) == []


def test_a_scratch_folder_that_does_not_fit_is_refused_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path))
    with (
        pytest.raises(OutputError, match=r"cannot write .*unfinished \(No space left"),
        scratch_dir(),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names_in(tmp_path / "unfinished") == []


def test_a_temporary_file_is_abandoned_after_a_day(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path))
    models = cache_dir("models")
    with written_whole(models / "whole.onnx") as temporary:
        temporary.write_bytes(bytes(3000))
        assert remove_abandoned() == 0
        killed = temporary.with_name(f"{temporary.name}.onnx")
        for left in (killed, models / ".foreign"):
            left.write_bytes(bytes(200))
            os.utime(left, (0, time.time() - 90_000))
        assert remove_abandoned() == 200
    os.utime(models / "whole.onnx", (0, 0))
    assert remove_abandoned() == 0
    assert names_in(models) == [".foreign", "whole.onnx"]


def test_only_what_a_killed_process_left_is_abandoned(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_FOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        folder = Path(process.stdout.readline().strip())
        with scratch_dir() as own:
            assert remove_abandoned() == 0
            assert names_in(folder.parent) == sorted([folder.name, own.name])
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names_in(folder.parent) == [folder.name]
    assert folder_size(tmp_path) == 50_000
    assert remove_abandoned() == 50_000
    assert names_in(folder.parent) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may open every folder")
def test_the_folder_of_another_user_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path))
    folder = cache_dir("unfinished", "foreign")
    folder.chmod(0)
    try:
        assert remove_abandoned() == 0
        assert folder.exists()
    finally:
        folder.chmod(0o700)
