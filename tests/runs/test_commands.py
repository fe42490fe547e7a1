"""The commands that read runs, through the real command line."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_fast.runs.compare import compare_pair
from fer_fast.runs.record import read_record
from fer_fast.settings import Settings, read_config

WriteRun = Callable[..., Path]
RunCli = Callable[..., subprocess.CompletedProcess[str]]


def test_a_report_is_written_where_it_is_asked_for(
    write_run: WriteRun, run_cli: RunCli, tmp_path: Path
) -> None:
    runs = [write_run(f"r{seed}", seed=seed) for seed in (0, 1)]
    result = run_cli("report", *runs, "--out", "both.html")
    assert (result.returncode, result.stdout) == (0, "wrote both.html\n")
    assert "2 runs" in (tmp_path / "both.html").read_text()
    result = run_cli("report", runs[0])
    assert result.stdout == f"wrote {runs[0] / 'report.html'}\n"


def test_runs_are_listed_shown_and_compared(write_run: WriteRun, run_cli: RunCli) -> None:
    first, second = (read_record(write_run(f"r{seed}", seed=seed)) for seed in (0, 1))
    (write_run("killed") / "metrics.json").unlink()
    rows = [line.split("│") for line in run_cli("runs", "list").stdout.splitlines() if "│" in line]
    ended = {row[1].strip(): row[-2].strip() for row in rows}
    assert ended == {"killed": "no", "r0": "yes", "r1": "yes"}

    shown = run_cli("runs", "show", first.path).stdout
    assert first.run_id in shown
    assert f"{first.metrics['test']['accuracy']:.4f}" in shown

    compared = run_cli("runs", "compare", first.path, second.path).stdout
    pair = compare_pair(first, second)
    assert re.search(rf"│\s+{pair.only_first} │\s+{pair.only_second} │\s+{pair.p:.3g} │", compared)
    assert re.search(r"│ seed\s+│\s+0 │\s+1 │", compared)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs", "compare", "one"), "`runs compare` is given 1 folders"),
        (("runs", "show", "none"), "none holds no run that has ended"),
        (("report", "none"), "none holds no run that has ended"),
        (("pipeline", "--resume", "none"), "none/config.toml"),
        (("pipeline", "--seeds", "1"), "--seeds is 1"),
        (("pipeline", "--seeds", "2", "--resume", "none"), "is one run, and --seeds asks for 2"),
        (("pipeline", "--mlflow", "sqlite:///x.db"), "--mlflow logs the files of --out"),
        (("pipeline", "--antz", "3"), "did you mean --ants?"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    arguments: tuple[str, ...], said: str, run_cli: RunCli
) -> None:
    result = run_cli(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_config_prints_what_a_run_would_have_and_why(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[colony]\nants = 7\nrho = 0.5\n")
    options = ("--preset", "best", "--config", "mine.toml", "--rho", "0.4")
    printed = run_cli("config", *options).stdout
    origins = dict(re.findall(r"^(\w+) = .*  # (.*)$", printed, re.MULTILINE))
    assert origins["size"] == "--preset best"
    assert origins["ants"] == "mine.toml"
    assert origins["rho"] == "--rho"
    assert origins["beta"] == "default"
    assert "# max_features is unset" in printed
    # It is a file of settings itself.
    (tmp_path / "again.toml").write_text(printed)
    settings = Settings(**read_config(tmp_path / "again.toml"))
    assert (settings.size, settings.ants, settings.rho) == (160, 7, 0.4)
    assert tomllib.loads(printed)["colony"]["ants"] == 7
