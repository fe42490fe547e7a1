"""No stream that is closed, full or of few signs costs a file, nor is a defect."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import save_npz

Run = Callable[..., subprocess.CompletedProcess[str]]

needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no device that is always full"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    labels = (np.arange(42) % 7).astype(np.uint8)
    pixels = rng.integers(0, 256, (42, 48, 48)).astype(np.uint8)
    splits = np.repeat(list(Split), [28, 7, 7]).astype(np.uint8)
    save_npz(FaceDataset(pixels, labels, splits, "few"), tmp_path / "few.npz")
    return tmp_path / "few.npz"


@pytest.fixture
def shell(tmp_path: Path) -> Run:
    """Return a function that has a shell run ``fer-fast`` with redirections of its streams."""

    def run(arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {
            "FER_FAST_CACHE": str(tmp_path / "cache"),
            "FER_FAST": f"{sys.executable} -m fer_fast",
        }
        return subprocess.run(
            ["sh", "-c", f"$FER_FAST {arguments}"],
            cwd=tmp_path,
            env=os.environ | own | environment,
            capture_output=True,
            # A single byte for a sign is what the other encodings here have in common.
            encoding="latin-1" if "PYTHONIOENCODING" in environment else "utf-8",
            timeout=120,
        )

    return run


def check_audit(path: Path) -> None:
    assert json.loads(path.read_text())["integrity"]["faces"] == 42


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_doctor_prints_its_table_in_any_encoding(shell: Run, encoding: str) -> None:
    found = shell("doctor", PYTHONIOENCODING=encoding)
    assert found.returncode in (0, 1)
    assert found.stderr == ""
    assert "| + | Python" in found.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_audit_is_written_whatever_the_encoding(shell: Run, data: Path, encoding: str) -> None:
    found = shell("audit --faces-only --data few.npz --out a.json", PYTHONIOENCODING=encoding)
    assert found.returncode == 0, found.stderr
    check_audit(data.with_name("a.json"))


@needs_full_device
@pytest.mark.parametrize("arguments", ["--version", "--help", "doctor", "pipeline --help"])
def test_a_full_disk_behind_the_output_is_one_sentence(shell: Run, arguments: str) -> None:
    found = shell(f"{arguments} > /dev/full")
    assert found.returncode == 2
    (error,) = found.stderr.splitlines()
    assert error.startswith("error: cannot write to standard output (No space left on device): ")


@needs_full_device
@pytest.mark.parametrize(
    ("redirection", "status"),
    [("> /dev/full", 2), ("2> /dev/full", 0), (">&-", 0), ("2>&-", 0), ("<&- >&- 2>&-", 0)],
)
def test_files_are_written_whatever_the_streams_refuse(
    shell: Run, data: Path, redirection: str, status: int
) -> None:
    found = shell(f"audit --faces-only --data few.npz --out a.json {redirection}")
    assert found.returncode == status, found.stderr
    check_audit(data.with_name("a.json"))


@pytest.mark.parametrize(("gone", "status"), [("stdout", 1), ("stderr", 0)])
def test_a_reader_that_leaves_costs_no_file(data: Path, gone: str, status: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    arguments = ("audit", "--faces-only", "--data", data, "--out", data.with_name("a.json"))
    try:
        found = subprocess.run(
            [sys.executable, "-m", "fer_fast", *map(str, arguments)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {gone: writer},
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)
    assert found.returncode == status
    assert "Traceback" not in (found.stderr or "")
    check_audit(data.with_name("a.json"))


def test_warnings_that_are_errors_are_none_of_the_commands(shell: Run, data: Path) -> None:
    found = shell("audit --faces-only --data few.npz --out a.json", PYTHONWARNINGS="error")
    assert found.returncode == 0, found.stderr
    assert "Warning" not in found.stderr
    check_audit(data.with_name("a.json"))


def test_what_pillow_remarks_of_a_damaged_picture_is_not_shown(shell: Run, data: Path) -> None:
    for split in ("train", "test"):
        for label in ("sad", "happy"):
            folder = data.parent / "faces" / split / label
            folder.mkdir(parents=True)
            for copy in range(2):
                Image.new("L", (48, 48), 40 * len(label) + copy).save(folder / f"{copy}.png")
    whole = io.BytesIO()
    Image.new("L", (48, 48), 7).save(whole, "TIFF", dpi=(72, 72))
    # Tag 282, of one fraction, which lies outside of the file.
    content, entry = bytearray(whole.getvalue()), struct.pack("<HHI", 282, 5, 1)
    at = content.index(entry) + len(entry)
    content[at : at + 4] = struct.pack("<I", 2**31)
    (data.parent / "faces" / "train" / "sad" / "2.tif").write_bytes(content)
    with pytest.warns(UserWarning, match="larger than file|Truncated"):
        Image.open(io.BytesIO(content)).load()
    found = shell("audit --faces-only --data faces --out a.json")
    assert found.returncode == 0, found.stderr
    assert "9 faces read" in found.stderr
    assert "Warning" not in found.stderr


def test_what_a_file_holds_is_never_what_a_library_said(data: Path) -> None:
    """A file that is opened where standard error was closed would get all that is said there."""
    script = (
        "import os, sys; from fer_fast.cli.streams import occupy_standard_descriptors; "
        "occupy_standard_descriptors(); file = open('opened', 'w'); os.write(2, b'said'); "
        "sys.exit(file.fileno() < 3)"
    )
    found = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "{script}" 2>&-'], cwd=data.parent, timeout=60
    )
    assert found.returncode == 0
    assert (data.parent / "opened").read_text() == ""


def test_a_path_with_markup_and_foreign_bytes_is_named_as_it_is(shell: Run, data: Path) -> None:
    odd = data.with_name("[bold] [red] :smile: é.npz")
    data.rename(odd)
    found = shell(f"audit --faces-only --data '{odd.name}' --out '[red].json'")
    assert found.returncode == 0, found.stderr
    assert "wrote [red].json" in found.stderr
    found = shell("audit --faces-only --data \"$(printf 'absent\\377.npz')\"")
    assert found.returncode == 2
    assert "absent?.npz" in found.stderr
