"""Every page of help fits a narrow terminal, with examples; a shell completes the rest."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fer_fast.cli.main import _COMMANDS, build_parser, main
from fer_fast.errors import ParameterError

NAMES = [command.NAME for command in _COMMANDS]


def page(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("name", ["", *NAMES])
def test_no_line_of_help_is_wider_than_sixty_columns(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    lines = page(capsys, *filter(None, [name]))
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith(f"Usage: {f'fer-fast {name}'.strip()} [options]")


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_a_command_that_is_understood(
    capsys: pytest.CaptureFixture[str], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = page(capsys, name)
    examples = "\n".join(lines[lines.index("examples:") + 1 :]).replace("\\\n", "")
    found = re.findall(r"fer-fast ([^|>)\n]*)", examples)
    assert found
    for example in found:
        assert build_parser().parse_args(shlex.split(example)).run


def test_every_option_of_a_command_is_on_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(page(capsys, "pipeline"))
    with pytest.raises(ParameterError, match="--resume"):
        build_parser().parse_args(["pipeline", "--resum"])
    for option in ("--resume", "--seeds", "--mlflow", "--json", "--ants", "--no-mirror"):
        assert option in text


def completions(line: str, tmp_path: Path) -> list[str]:
    """Return what the command answers a shell that asks for what may come next."""
    answer = tmp_path / "answer"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    process = subprocess.run(
        [sys.executable, "-m", "fer_fast"],
        env=os.environ | asked,
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
    )
    assert (process.returncode, process.stdout, process.stderr) == (0, b"", b"")
    return [word.strip() for word in answer.read_text().splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fer-fast pi", ["pipeline"]),
        ("fer-fast pipeline --see", ["--seed", "--seeds"]),
        ("fer-fast pipeline --preset ", ["best", "paper"]),
        ("fer-fast model pho", ["photo.jpg"]),
    ],
)
def test_a_shell_is_told_what_may_come_next(line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    assert completions(line, tmp_path) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_one_it_can_read(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "fer-fast" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    flag = "--no-execute" if shell == "fish" else "-n"
    subprocess.run([shell, flag], input=script, text=True, check=True)


def test_bash_completes_by_the_script(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    command = tmp_path / "fer-fast"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fer_fast "$@"\n')
    command.chmod(0o755)
    script = (
        'eval "$(fer-fast completion bash)"; COMP_WORDS=(fer-fast eva); COMP_CWORD=1; '
        'COMP_LINE="fer-fast eva"; COMP_POINT=12; COMP_TYPE=9; _python_argcomplete fer-fast; '
        'printf "%s\n" "${COMPREPLY[@]}"'
    )
    answered = subprocess.run(
        ["bash", "-c", script],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answered.stdout.split() == ["evaluate"]
