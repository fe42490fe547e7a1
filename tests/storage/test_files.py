"""Files appear whole or not at all."""

import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fer_fast.errors import OutputError
from fer_fast.storage.files import atomic_write, exclusive, file_digest, folder_size


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["file.txt"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(failure), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.txt"]


def test_a_refused_write_says_where_and_why(tmp_path):
    path = tmp_path / "file.txt"
    with (
        pytest.raises(OutputError, match=r"cannot write .*file\.txt \(No space left"),
        atomic_write(path),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names_in(tmp_path) == []


def test_a_folder_below_a_file_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot create the folder"),
        atomic_write(tmp_path / "file" / "below" / "x"),
    ):
        pass


def test_others_may_read_what_the_umask_allows(tmp_path):
    path = tmp_path / "file.txt"
    before = os.umask(0o027)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_digest_is_sha256(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(b"abc" * 100_000)
    assert file_digest(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_what_else_fails_in_the_block_is_not_called_a_refused_write(tmp_path):
    path = tmp_path / "file.txt"
    with pytest.raises(FileNotFoundError, match="missing"), atomic_write(path) as temporary:
        temporary.write_text((tmp_path / "missing").read_text())
    with pytest.raises(FileNotFoundError, match="no-such-program"), atomic_write(path):
        subprocess.run(["/no-such-program"], check=False)
    assert names_in(tmp_path) == []


def test_the_umask_of_the_process_is_never_touched(tmp_path):
    """Other threads write at the same time: theirs must not come out open to everyone."""
    before = os.umask(0o077)
    stop, seen = threading.Event(), set()

    def write_beside():
        for number in range(10_000):
            if stop.is_set():
                break
            other = tmp_path / f"other-{number}"
            os.close(os.open(other, os.O_CREAT | os.O_WRONLY, 0o666))
            seen.add(stat.S_IMODE(other.stat().st_mode))

    thread = threading.Thread(target=write_beside)
    thread.start()
    try:
        for _ in range(50):
            with atomic_write(tmp_path / "file.txt") as temporary:
                temporary.write_text("x")
    finally:
        stop.set()
        thread.join()
        os.umask(before)
    assert seen == {0o600}


def test_file_and_folder_are_on_the_disk_before_the_old_file_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("old")
    synced, sync = [], os.fsync

    def record(descriptor):
        target = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append(("folder" if target.is_dir() else "file", path.read_text()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert synced == [("file", "old"), ("folder", "new")]


HOLD_A_LOCK = """
import sys
from pathlib import Path
from fer_fast.storage.files import exclusive
with exclusive(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_one_process_and_leaves_nothing(tmp_path):
    lock = tmp_path / "lock"
    waited = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_LOCK, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "locked\n"

        def let_go():
            waited.set()
            process.stdin.close()

        with exclusive(lock, waiting=let_go):
            assert waited.is_set()
            assert process.wait() == 0
    assert names_in(tmp_path) == []


def test_a_killed_process_lets_go_of_its_lock(tmp_path):
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_LOCK, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.kill()
    with exclusive(lock, waiting=lambda: pytest.fail("nobody holds it")):
        assert lock.exists()
    assert names_in(tmp_path) == []


def test_where_no_lock_can_be_made_the_block_runs_all_the_same(tmp_path):
    with exclusive(tmp_path / "missing" / "lock"):
        pass


def test_a_folder_has_the_size_of_its_files(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(bytes(1000))
    (tmp_path / "dangling").symlink_to(tmp_path / "below" / "file")
    linked = (tmp_path / "dangling").lstat().st_size
    assert folder_size(tmp_path) == 1000 + linked


def test_a_pipe_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    # A pipe stands for every device here: as root, a test of /dev/null would take it away.
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with (
            pytest.raises(OutputError, match="is a device or a pipe: name a file"),
            atomic_write(tmp_path / name) as temporary,
        ):
            temporary.write_text("anything")
        assert (tmp_path / name).is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path, is_there):
    real, link = tmp_path / "disk" / "real.json", tmp_path / "latest.json"
    if is_there:
        real.parent.mkdir()
        real.write_text("old")
    link.symlink_to(real)
    with atomic_write(link) as temporary:
        assert temporary.parent == real.parent
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert list(real.parent.iterdir()) == [real]


def test_a_link_that_leads_to_itself_is_refused(tmp_path):
    link = tmp_path / "loop.json"
    link.symlink_to(link)
    with pytest.raises(OutputError, match="leads to itself"), atomic_write(link):
        pass
