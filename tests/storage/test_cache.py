"""What is in the cache was made once, is whole, and costs no run its end."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import OutputError
from fer_fast.storage import cache as cache_module
from fer_fast.storage.cache import Cache, Entry, cache_root, scratch_dir
from fer_fast.storage.files import atomic_write, file_digest, folder_size

ENTRY = Entry("models", "thing", {"revision": 1}, ".bin")


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def make_nothing(_):
    raise AssertionError("made again")


@pytest.fixture
def unwritable(cache):
    """A cache that refuses every new file, also to the superuser."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where the folder should be")
    return cache


@pytest.fixture
def no_temporary_folder(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc/none")


def test_the_environment_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "elsewhere"))
    assert (
        Cache()
        .get_or_make(ENTRY, lambda file: file.write(b"x"))
        .is_relative_to(tmp_path / "elsewhere")
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FER_FAST_CACHE", "~/mine")
    assert cache_root() == tmp_path / "mine"


def test_an_entry_is_made_once(cache, recorder):
    first = Cache(recorder).get_or_make(ENTRY, lambda file: file.write(b"abc"), hit="known")
    assert first.read_bytes() == b"abc"
    assert recorder.notes == []
    assert Cache(recorder).get_or_make(ENTRY, make_nothing, hit="known") == first
    assert recorder.notes == [f"known, from the cache ({first})"]
    assert recorder.warnings == []
    assert names_in(cache) == ["models"]
    assert names_in(first.parent) == [first.name, f"{first.name}.sha256"]


@pytest.mark.usefixtures("cache")
def test_another_key_is_another_entry():
    paths = {
        Cache().get_or_make(Entry(kind, label, key, suffix, maker), lambda file: file.write(b"x"))
        for kind, label, key, suffix, maker in (
            ("models", "thing", {"revision": 1}, ".bin", ""),
            ("models", "thing", {"revision": 2}, ".bin", ""),
            ("models", "thing", {"revision": 1}, ".bin", "maker-1.0"),
            ("features", "thing", {"revision": 1}, ".bin", ""),
        )
    }
    assert len(paths) == 4


@pytest.mark.usefixtures("cache")
def test_the_seal_is_the_checksum_of_what_was_written():
    array = np.random.default_rng(0).normal(size=(3000, 700))

    def make(file):
        file.write(b"head")
        np.save(file, array)

    path = Cache().get_or_make(ENTRY, make)
    seal = Path(f"{path}.sha256").read_text().split()
    assert seal[0] == file_digest(path)
    content = io.BytesIO(path.read_bytes())
    assert content.read(4) == b"head"
    np.testing.assert_array_equal(np.load(content), array)


@pytest.mark.usefixtures("cache")
def test_an_intact_file_is_not_read_again(monkeypatch):
    path = Cache().get_or_make(ENTRY, lambda file: file.write(bytes(1000)))
    monkeypatch.setattr(cache_module, "file_digest", make_nothing)
    assert Cache().get_or_make(ENTRY, make_nothing) == path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"abd"),
        lambda path: path.write_bytes(b"ab"),
        lambda path: path.write_bytes(b""),
        lambda path: Path(f"{path}.sha256").unlink(),
        lambda path: Path(f"{path}.sha256").write_bytes(b"\xff\xfe"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_a_damaged_or_unsealed_file_is_made_again(recorder, damage):
    path = Cache().get_or_make(ENTRY, lambda file: file.write(b"abc"))
    damage(path)
    again = Cache(recorder).get_or_make(ENTRY, lambda file: file.write(b"abc"))
    assert (again, again.read_bytes()) == (path, b"abc")
    assert ["damaged" in warning for warning in recorder.warnings] == [True]
    assert Cache().get_or_make(ENTRY, make_nothing) == path


@pytest.mark.parametrize("old_seal", [True, False])
@pytest.mark.usefixtures("cache")
def test_a_copy_of_the_cache_is_looked_at_once_and_sealed_anew(old_seal, monkeypatch):
    path = Cache().get_or_make(ENTRY, lambda file: file.write(b"abc"))
    os.utime(path, (0, 0))
    if old_seal:
        # As version 0.1 wrote it.
        Path(f"{path}.sha256").write_text(file_digest(path))
    assert Cache().get_or_make(ENTRY, make_nothing) == path
    monkeypatch.setattr(cache_module, "file_digest", make_nothing)
    assert Cache().get_or_make(ENTRY, make_nothing) == path


@pytest.mark.usefixtures("cache")
def test_without_its_maker_any_version_will_do(recorder):
    made = Entry("models", "thing", {"revision": 1}, ".bin", "maker-1.9")
    path = Cache().get_or_make(made, lambda file: file.write(b"x"))
    without = Entry("models", "thing", {"revision": 1}, ".bin", None)
    assert Cache(recorder).get_or_make(without, make_nothing, hit="made before") == path
    assert "any version's will do" in recorder.notes[0]
    other = Entry("models", "thing", {"revision": 2}, ".bin", None)
    with pytest.raises(AssertionError, match="made again"):
        Cache().get_or_make(other, make_nothing)


MAKE_SLOWLY = """
import sys, time
from fer_fast.progress import SILENT
from fer_fast.storage.cache import Cache, Entry
class Reporter(type(SILENT)):
    def note(self, message): print("note:", message, flush=True)
    def warn(self, message): print("warning:", message, flush=True)
def make(file):
    print("making", flush=True)
    sys.stdin.readline()
    file.write(b"abc")
entry = Entry("models", "thing", {"revision": 1}, ".bin")
print("made", Cache(Reporter()).get_or_make(entry, make).read_bytes(), flush=True)
"""


def test_of_two_runs_at_once_one_makes_and_the_other_waits(cache):
    def start():
        return subprocess.Popen(
            [sys.executable, "-c", MAKE_SLOWLY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with start() as first:
        assert first.stdout.readline() == "making\n"
        with start() as second:
            assert second.stdout.readline().startswith("note: waiting for another run")
            first.communicate("\n")
            # Neither made again nor called damaged.
            assert second.communicate()[0] == "made b'abc'\n"
    assert len(names_in(cache / "models")) == 2


@pytest.mark.usefixtures("cache")
def test_the_next_run_makes_what_a_killed_one_began(recorder):
    with subprocess.Popen(
        [sys.executable, "-c", MAKE_SLOWLY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.kill()
    path = Cache(recorder).get_or_make(ENTRY, lambda file: file.write(b"abc"))
    assert path.read_bytes() == b"abc"
    assert recorder.warnings == []


@pytest.mark.usefixtures("unwritable")
def test_what_cannot_be_kept_is_used_and_a_warning_names_the_variable(recorder):
    made = []
    entry = Entry("models", "homeless", {}, ".bin")
    path = Cache(recorder).get_or_make(entry, lambda file: made.append(file.write(b"abc")))
    assert path.read_bytes() == b"abc"
    assert made == [3]
    assert [re.search("not kept.*FER_FAST_CACHE", w) is not None for w in recorder.warnings] == [
        True
    ]
    # This process does not make it twice.
    assert Cache(recorder).get_or_make(entry, make_nothing) == path


@pytest.mark.usefixtures("cache")
def test_a_disk_that_fills_up_while_making_costs_the_entry_alone(recorder):
    places = []

    def make(file):
        places.append(file)
        if len(places) == 1:
            with Path("/dev/full").open("wb", buffering=0) as full:
                full.write(b"x")
        file.write(b"abc")

    entry = Entry("models", "too-large", {}, ".bin")
    path = Cache(recorder).get_or_make(entry, make)
    assert path.read_bytes() == b"abc"
    assert len(recorder.warnings) == 1
    assert "No space left" in recorder.warnings[0]


@pytest.mark.usefixtures("cache")
def test_what_the_maker_cannot_write_elsewhere_is_not_tried_twice(recorder):
    tries = []

    def make(_):
        tries.append(1)
        raise OutputError("cannot write elsewhere")

    with pytest.raises(OutputError, match="elsewhere"):
        Cache(recorder).get_or_make(ENTRY, make)
    assert len(tries) == 1
    assert recorder.warnings == []


def test_a_folder_of_another_user_is_used_for_what_it_holds(cache):
    path = Cache().get_or_make(ENTRY, lambda file: file.write(b"abc"))
    script = (
        "import os\n"
        "from fer_fast.progress import SILENT\n"
        "from fer_fast.storage.cache import Cache, Entry\n"
        f"if {os.geteuid() == 0}: os.setuid(54321)\n"
        "class Reporter(type(SILENT)):\n"
        "    def warn(self, message): print(message)\n"
        "for revision in (1, 2):\n"
        "    entry = Entry('models', 'thing', {'revision': revision}, '.bin')\n"
        "    path = Cache(Reporter()).get_or_make(entry, lambda file: file.write(b'new'))\n"
        "    print(path.read_bytes())\n"
        "print(Cache().tidy())\n"
    )
    folders = [cache / "models", cache]
    for folder in folders:
        folder.chmod(0o555)
    for parent in cache.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    try:
        child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert child.returncode == 0, child.stderr
    found, warning, made, freed = child.stdout.splitlines()
    assert (found, made, freed) == ("b'abc'", "b'new'", "0")
    assert "FER_FAST_CACHE" in warning
    assert path.read_bytes() == b"abc"


def test_a_user_without_home_or_passwd_entry_goes_on_without_a_cache():
    script = (
        "import os\nos.environ.pop('HOME', None)\nos.environ.pop('XDG_CACHE_HOME', None)\n"
        "from fer_fast.progress import SILENT\n"
        "from fer_fast.storage.cache import Cache, Entry, scratch_dir\n"
        "os.setuid(54321)\n"
        "class Reporter(type(SILENT)):\n"
        "    def warn(self, message): print(message)\n"
        "entry = Entry('models', 'thing', {}, '.bin')\n"
        "path = Cache(Reporter()).get_or_make(entry, lambda file: file.write(b'abc'))\n"
        "print(path.read_bytes())\n"
        "with scratch_dir() as folder: (folder / 'x').write_text('x')\n"
        "print(Cache().tidy(), Cache().sizes())\n"
    )
    if os.geteuid() != 0:
        pytest.skip("only the superuser may become a user whom nobody knows")
    for named in ({}, {"FER_FAST_CACHE": "~/c"}):
        environment = {k: v for k, v in os.environ.items() if k != "FER_FAST_CACHE"} | named
        child = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment
        )
        assert child.returncode == 0, child.stderr
        warning, made, rest = child.stdout.splitlines()
        assert "FER_FAST_CACHE" in warning
        assert (made, rest) == ("b'abc'", "0 {}")


@pytest.mark.usefixtures("unwritable", "no_temporary_folder")
def test_without_cache_and_temporary_folder_one_sentence_names_the_variable():
    with pytest.raises(OutputError, match="FER_FAST_CACHE"), scratch_dir():
        pass


@pytest.mark.usefixtures("no_temporary_folder")
def test_without_a_temporary_folder_the_cache_has_room(cache):
    with scratch_dir() as folder:
        assert folder.is_relative_to(cache)


HOLD_A_FOLDER = """
import sys, time
from fer_fast.storage.cache import scratch_dir
with scratch_dir() as folder:
    (folder / "below").mkdir()
    (folder / "below" / "large").write_bytes(bytes(50_000))
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("cache")
def test_a_scratch_folder_ends_with_its_block_whatever_happens():
    with pytest.raises(KeyboardInterrupt), scratch_dir() as folder:
        (folder / "file").write_text("x")
        raise KeyboardInterrupt
    assert names_in(folder.parent) == []


def test_a_scratch_folder_that_does_not_fit_is_refused_in_a_sentence(cache):
    with (
        pytest.raises(OutputError, match=r"cannot write .*unfinished \(No space left"),
        scratch_dir(),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names_in(cache / "unfinished") == []


@pytest.mark.usefixtures("cache")
def test_what_else_fails_beside_a_scratch_folder_is_said_as_it_is():
    with pytest.raises(FileNotFoundError, match="no-such-program"), scratch_dir():
        subprocess.run(["/no-such-program"], check=False)


def test_a_temporary_file_is_abandoned_after_a_day(cache):
    models = cache / "models"
    with atomic_write(models / "whole.onnx") as temporary:
        temporary.write_bytes(bytes(3000))
        assert Cache().tidy() == 0
        killed = temporary.with_name(f"{temporary.name}.onnx")
        for left in (killed, models / ".foreign"):
            left.write_bytes(bytes(200))
            os.utime(left, (0, time.time() - 90_000))
        assert Cache().tidy() == 200
    os.utime(models / "whole.onnx", (0, 0))
    assert Cache().tidy() == 0
    assert names_in(models) == [".foreign", "whole.onnx"]


def test_only_what_a_killed_process_left_is_abandoned(cache):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_FOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        folder = Path(process.stdout.readline().strip())
        with scratch_dir() as own:
            assert Cache().tidy() == 0
            assert names_in(folder.parent) == sorted([folder.name, own.name])
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names_in(folder.parent) == [folder.name]
    assert folder_size(cache) == 50_000
    assert Cache().tidy() == 50_000
    assert names_in(folder.parent) == []


@pytest.mark.usefixtures("unwritable")
def test_tidying_never_fails_a_run():
    assert Cache().tidy() == 0
    assert Cache().sizes() == {}
