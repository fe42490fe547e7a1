"""Whatever a user gets wrong is one sentence and exit status 2."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

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


def test_a_broken_csv_is_named_with_its_row(run_cli, tmp_path):
    rows = f"{HEADER}3,{FACE},Training\n3,{FACE[:-2]},Training\n"
    path = write(tmp_path / "faces.csv", rows)
    assert_one_sentence(run_cli("pipeline", "--data", path), "row 2", "2,303")


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
    [("--q0", "1.5"), ("--ants", "many"), ("--device", "tpu")],
    ids=["out of range", "of another type", "no choice"],
)
def test_a_value_that_no_run_could_use(run_cli, option, value):
    assert_one_sentence(run_cli("pipeline", option, value), option.removeprefix("--"), value)


def test_too_little_memory_is_one_sentence(monkeypatch, capsys):
    def run(*_):
        np.empty(2**50)

    monkeypatch.setattr("fer_fast.cli.commands.doctor.run", run)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith("error: there is not enough memory: ")


def test_a_layer_that_the_backbone_does_not_have(run_cli, random_weights):
    result = run_cli("extract", "--weights", random_weights.path, "--taps", "no_layer")
    assert_one_sentence(result, "no_layer", "out_relu")


def test_a_file_of_settings_that_is_not_there(run_cli):
    assert_one_sentence(run_cli("pipeline", "--config", "absent.toml"), "absent.toml")


def test_an_unknown_option_points_at_the_help(run_cli):
    assert_one_sentence(run_cli("pipeline", "--antz", "3"), "--antz", "--help")


@pytest.mark.parametrize("command", ["extract", "export", "audit"])
def test_a_pipe_is_never_replaced_by_a_file(capsys, tmp_path, command):
    # A pipe stands for every device here: as root, a test of /dev/null would take it away.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert main([command, "--data", "absent.csv", "--out", str(pipe)]) == 2
    assert "is a device or a pipe: name a file" in capsys.readouterr().err
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    "option", ["--data", "--config", "--out", "--weights", "--ferplus"], ids=lambda o: o[2:]
)
@pytest.mark.parametrize("name", ["a" * 5000, "", "."], ids=["too long", "empty", "a folder"])
def test_a_name_that_is_no_file_is_one_sentence(capsys, monkeypatch, tmp_path, option, name):
    monkeypatch.chdir(tmp_path)
    given = {"--data": "absent.csv", "--weights": "absent.h5"} | {option: name}
    status = main(["audit", *(f"{option}={value}" for option, value in given.items())])
    (error,) = capsys.readouterr().err.splitlines()
    assert status == 2
    assert error.startswith("error: ")


def test_a_name_of_two_lines_is_named_in_one(capsys):
    assert main(["audit", "--faces-only", "--data", "two\nlines\x1b[31m"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert r"two\nlines\x1b[31m" in error
