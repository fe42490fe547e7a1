"""The page of the commands says what their help says."""

from __future__ import annotations

import argparse
import re

import pytest

from fer_fast.cli.main import main
from fer_fast.cli.reference import commands, reference

COMMANDS = commands()


def section(name: str) -> str:
    """Return what the page says of a command."""
    _, _, rest = reference().partition(f"\n## {name}\n")
    return rest.partition("\n## ")[0]


def test_the_page_has_every_command_that_help_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert COMMANDS.keys() <= listed
    assert [line[3:] for line in reference().splitlines() if line.startswith("## ")] == [*COMMANDS]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_has_every_argument_with_its_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    assert main([name, "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    shared = {"help", "no_color", "quiet", "debug"}
    rows = [line for line in section(name).splitlines() if line.startswith("| `")]
    actions = [
        action
        for action in COMMANDS[name]._actions
        if action.dest not in shared and action.help != argparse.SUPPRESS
    ]
    assert len(rows) == len(actions)
    for row, action in zip(rows, actions, strict=True):
        argument, _, said = row.removeprefix("| `").removesuffix(" |").partition("` | ")
        assert set(action.option_strings) <= set(re.split(r"[ ,]+", argument))
        assert said.replace(r"\|", "|") in printed


def test_no_default_of_the_page_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference()
    monkeypatch.setenv("HOME", "/somewhere/else")
    monkeypatch.chdir("/")
    assert reference() == before
    assert "/root" not in before
