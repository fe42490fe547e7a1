"""Whatever a user gets wrong is one sentence and exit status 2."""

import gzip
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_fast.cli.main import main

FACE = " ".join(["7"] * 2304)
HEADER = "emotion,pixels,Usage\n"


def assert_one_sentence(result: subprocess.CompletedProcess, *words: str):
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    error = result.stderr.strip().splitlines()[-1]
    assert error.startswith("error: ")
    for word in words:
        assert word in error


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_no_such_file(run_cli):
    assert_one_sentence(run_cli("pipeline", "--data", "absent.csv"), "absent.csv")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", ("faces.csv",)),
        ("emotion,Usage\n3,Training\n", ("pixels",)),
        (f"{HEADER}3,{FACE},Training\n3,{FACE[:-2]},Training\n", ("row 2", "2,303")),
        (f"{HEADER}3,{FACE},Training\n3,{FACE} 7,Training\n", ("row 2", "2,305")),
        (f"{HEADER}3,256{FACE[1:]},Training\n", ("row 1", "256")),
        (f"{HEADER}3,x{FACE[1:]},Training\n", ("row 1", "x")),
        (f"{HEADER}7,{FACE},Training\n", ("row 1", "7")),
    ],
    ids=["empty", "no pixels column", "2303", "2305", "256", "x", "label 7"],
)
def test_a_broken_csv_is_named_with_its_row(run_cli, tmp_path, rows, words):
    path = write(tmp_path / "faces.csv", rows)
    assert_one_sentence(run_cli("pipeline", "--data", path), *words)


def test_a_truncated_gzip(run_cli, tmp_path):
    whole = gzip.compress((HEADER + f"3,{FACE},Training\n" * 50).encode())
    path = tmp_path / "faces.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    assert_one_sentence(run_cli("pipeline", "--data", path), "faces.csv.gz")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in ("happy", "sad"):
            (tmp_path / "faces" / split / label).mkdir(parents=True)
            for i in range(4):
                face = rng.integers(0, 256, (48, 48), dtype=np.uint8)
                Image.fromarray(face).save(tmp_path / "faces" / split / label / f"{i}.png")
    return tmp_path / "faces"


def test_a_folder_without_a_test_split(run_cli, folder):
    (folder / "test").rename(folder / "other")
    assert_one_sentence(run_cli("pipeline", "--data", folder), "test")


def test_an_unknown_label_folder(run_cli, folder):
    (folder / "train" / "sad").rename(folder / "train" / "bored")
    assert_one_sentence(run_cli("pipeline", "--data", folder), "bored")


def test_a_broken_picture(run_cli, folder):
    (folder / "train" / "sad" / "2.png").write_bytes(b"not a picture")
    assert_one_sentence(run_cli("pipeline", "--data", folder), "2.png")


def test_weights_of_another_architecture(run_cli, tmp_path):
    import h5py

    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("dense").create_dataset("kernel", data=np.zeros((2, 2)))
    assert_one_sentence(run_cli("export", "--weights", "other.h5"), "other.h5", "MobileNetV2")


def test_an_output_folder_that_cannot_be(run_cli, tmp_path):
    write(tmp_path / "file", "")
    result = run_cli("pipeline", "--out", tmp_path / "file" / "below")
    assert_one_sentence(result, "below")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--q0", "1.5"), ("--ants", "0"), ("--rho", "2"), ("--ants", "many"), ("--device", "tpu")],
)
def test_an_option_outside_its_range(run_cli, option, value):
    assert_one_sentence(run_cli("pipeline", option, value), option.removeprefix("--"), value)


def test_too_little_memory_is_one_sentence(monkeypatch, capsys):
    def run(*_):
        np.empty(2**50)

    monkeypatch.setattr("fer_fast.cli.doctor.run", run)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: there is not enough memory: ")


def test_an_unknown_option_points_at_the_help(run_cli):
    assert_one_sentence(run_cli("pipeline", "--antz", "3"), "--antz", "--help")
