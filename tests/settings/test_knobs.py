"""One declaration a knob: option, key, check and reference say the same."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from fer_fast.cli.main import build_parser, main
from fer_fast.cli.options import read_settings
from fer_fast.errors import ParameterError
from fer_fast.settings import PRESETS, SECTIONS, Knob, Settings, knobs, read_config
from fer_fast.settings.reference import reference

TABLES = {one.name: section.TITLE for section in SECTIONS for one in knobs(section)}
KNOBS = [one for section in SECTIONS for one in knobs(section)]
each_knob = pytest.mark.parametrize("one", KNOBS, ids=lambda one: one.name)
each_with_a_range = pytest.mark.parametrize(
    "one",
    [one for one in KNOBS if one.choices or one.kind in (int, float)],
    ids=lambda one: one.name,
)
PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def other_values(one: Knob) -> list[Any]:
    """Return values that the knob takes and that are not its default."""
    if one.kind is bool:
        return [not one.default]
    if one.choices:
        return [choice for choice in one.choices if choice != one.default]
    if one.kind in (int, float):
        ends = {max(one.low, -(2**40)), min(one.high, 2**40)}
        return sorted({one.kind(end) for end in ends} - {one.default})
    if one.scheme:
        return [f"{one.scheme}/some/file"]
    if one.kind is str:
        return ["local:3", "tcp://10.0.0.1:8786"]
    return [("Conv1_relu", "out_relu")] if one.kind is tuple else [Path("/some/file")]


def beside(one: Knob, value: Any) -> dict[str, Any]:
    """Return what must stand beside a value for the settings to agree with each other."""
    if value == "out-of-bag":
        return {"balance": "none"}
    if one.name == "min_features":
        return {"max_features": 0}
    return {}


def typed(one: Knob, value: Any) -> list[str]:
    """Return the arguments that a person types for a value."""
    if one.kind is bool:
        return [one.option if value else f"--no-{one.option[2:]}"]
    return [one.option, *(value if one.kind is tuple else [str(value)])]


@each_knob
def test_option_key_and_keyword_give_the_same_settings(one: Knob, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for value in other_values(one):
        also = beside(one, value)
        expected = Settings(**{one.name: value}, **also)
        assert expected != Settings()
        arguments = [f"--{name.replace('_', '-')}={other}" for name, other in also.items()]
        parsed = build_parser().parse_args(["pipeline", *arguments, *typed(one, value)])
        assert read_settings(parsed) == expected
        if not one.per_machine:
            written = (
                str(value).lower()
                if one.kind in (bool, int, float)
                else (list(value) if one.kind is tuple else repr(str(value)))
            )
            path.write_text(f"[{TABLES[one.name]}]\n{one.name} = {written}\n")
            assert Settings(**read_config(path), **also) == expected


@each_with_a_range
def test_beyond_its_range_every_way_refuses_it_by_name(one: Knob, capsys) -> None:
    if one.choices:
        wrong = ["no-such-choice"]
    else:
        ends = [(one.low, -1), (one.high, 1)]
        wrong = [one.kind(end + step) for end, step in ends if abs(end) < 2**60]
        assert wrong, f"{one.name} has no bound"
    for value in wrong:
        with pytest.raises(ParameterError, match=f"^{one.name} is ") as refusal:
            Settings(**{one.name: value})
        assert refusal.value.hint == (
            f"it must be {'one of ' if one.choices else ''}{one.shown_values}"
        )
        assert main(["pipeline", "--data", "absent.csv", f"{one.option}={value}"]) == 2
        (error,) = capsys.readouterr().err.splitlines()
        assert one.option in error or f"error: {refusal.value}" == error


@each_knob
def test_help_and_reference_say_what_was_declared(one: Knob) -> None:
    row = next(line for line in reference().splitlines() if f"| `{one.option}" in line)
    assert (f"`{one.name}`" in row) is not one.per_machine
    parser = build_parser()._subparsers._group_actions[0].choices["pipeline"]
    (action,) = (a for a in parser._actions if one.option in a.option_strings)
    for text in (row, action.help):
        assert one.help in text
        assert one.shown_default in text
    assert one.shown_values in row
    if one.choices:
        assert action.choices == one.choices
    assert isinstance(action, argparse.Action)


@each_knob
def test_a_default_is_within_its_own_range(one: Knob) -> None:
    one.check(one.default)


def test_no_two_knobs_share_a_name() -> None:
    names = [one.name for one in KNOBS]
    assert len(set(names)) == len(names)
    assert set(names) == {one.name for one in knobs(Settings)}


def test_a_preset_names_knobs_alone() -> None:
    names = {one.name for one in KNOBS}
    assert all(preset.keys() <= names for preset in PRESETS.values())


def test_the_committed_reference_is_the_one_that_the_declarations_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run python -m fer_fast.settings.reference > docs/settings.md"
    )
