"""A run's settings go into a file and come back, from any folder."""

from __future__ import annotations

import math
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_fast.errors import ParameterError
from fer_fast.settings import (
    PATH_ERRORS,
    PRESETS,
    SECTIONS,
    Knob,
    Settings,
    config_text,
    knobs,
    read_config,
)

KEYS = [(s.TITLE, one) for s in SECTIONS for one in knobs(s) if not one.per_machine]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def write(path: Path, settings: Settings) -> None:
    path.write_text(config_text(settings), encoding="utf-8", errors=PATH_ERRORS)


def values(one: Knob) -> st.SearchStrategy[Any]:
    """Return any value that the knob takes by itself."""
    if one.kind is bool:
        found: st.SearchStrategy[Any] = st.booleans()
    elif one.choices:
        found = st.sampled_from(one.choices)
    elif one.kind is int:
        found = st.integers(int(one.low), int(min(one.high, 2**62)))
    elif one.kind is float:
        found = st.floats(one.low, one.high)
    elif one.kind is tuple:
        found = st.lists(st.text(st.characters(codec="utf-8")), max_size=3).map(tuple)
    else:
        # A name of a file is any bytes but these two.
        names = st.binary(min_size=1, max_size=9).filter(lambda name: not {0, 47} & set(name))
        found = names.map(lambda name: Path("/", os.fsdecode(name)))
        if one.scheme:
            found = found.map(lambda path: f"{one.scheme}{path}")
    return found | st.none() if one.default is None else found


@st.composite
def settings(draw: st.DrawFn) -> Settings:
    chosen = {one.name: draw(values(one)) for _, one in KEYS}
    try:
        return Settings(**chosen)
    except ParameterError:
        # Two of them exclude each other.
        names = ("head", "mirror", "judged_on", "fitness", "sizes", "precision", "min_features")
        return Settings(**{name: chosen[name] for name in chosen if name not in names})


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_comes_back_as_it_was(preset: str, path: Path) -> None:
    settings = Settings(**PRESETS[preset], data=path.parent / "fer 2013.csv", min_features=9)
    write(path, settings)
    assert Settings(**read_config(path)) == settings


@given(settings=settings())
def test_any_settings_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> None:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    write(path, settings)
    assert Settings(**read_config(path)) == settings


def test_every_key_stands_in_the_table_of_its_section() -> None:
    paths = {one.name: Path("/some") for _, one in KEYS if one.kind is Path}
    unset = [one for _, one in KEYS if one.default is None and one.kind is not Path]
    others = {one.name: f"{one.scheme}/some" if one.scheme else 1 for one in unset}
    document = tomllib.loads(config_text(Settings(**paths, **others)))
    assert {(title, name) for title, table in document.items() for name in table} == {
        (title, one.name) for title, one in KEYS
    }


def test_what_changes_no_result_is_not_kept(path: Path) -> None:
    document = tomllib.loads(config_text(Settings(jobs=7, out=path.parent)))
    assert not {"jobs", "out"} & {name for table in document.values() for name in table}


def test_a_relative_path_is_kept_from_the_folder_of_the_run_and_read_from_the_files(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    write(path, Settings(data=Path("faces.csv"), labels="ferplus=votes.csv"))
    monkeypatch.chdir("/")
    assert read_config(path)["data"] == tmp_path / "faces.csv"
    assert read_config(path)["labels"] == f"ferplus={tmp_path}/votes.csv"
    path.write_text("[data]\ndata = 'below/faces.csv'\nlabels = 'ferplus=below/votes.csv'\n")
    assert read_config(path)["data"] == tmp_path / "below" / "faces.csv"
    assert read_config(path)["labels"] == f"ferplus={tmp_path}/below/votes.csv"


def test_a_tilde_is_the_home_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    path.write_text("[data]\ndata = '~/faces.csv'\n")
    assert read_config(path)["data"] == Path("/home/someone/faces.csv")
    path.write_text("[data]\ndata = '~nobody-at-all/faces.csv'\n")
    with pytest.raises(ParameterError, match="home folder that does not exist"):
        read_config(path)


def test_a_byte_order_mark_is_no_part_of_the_first_table(path: Path) -> None:
    path.write_text("[colony]\nants = 3\n", encoding="utf-8-sig")
    assert read_config(path) == {"ants": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[colony]\nants = x\n", r"no TOML file .*line 2"),
        ("[colony]\naunts = 3", r"hold colony.aunts: .* did you mean ants in the table \[colony\]"),
        ("[colonny]\nants = 3", r"hold colonny: .* did you mean colony\? the tables are \[data\]"),
        ("ants = 3", r"hold ants: it belongs into the table \[colony\]"),
        ("colony = 3", r"hold colony: .* write \[colony\]"),
        ("[forest]\nants = 3", r"hold forest.ants: it belongs into the table \[colony\]"),
        ("[run]\njobs = 3", "hold run.jobs: .* give --jobs"),
        ("[run.run]\nseed = 3", "hold run.run: "),
        ("zebra = 3", r"hold zebra: there is no such setting; the tables are \[data\]"),
    ],
)
def test_a_key_that_does_not_stand_where_it_belongs_is_told_where(
    path: Path, text: str, message: str
) -> None:
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        read_config(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[colony]\nants = 3.5", "ants is 3.5: it must be an integer"),
        ("[colony]\nants = true", "ants is True"),
        ("[colony]\nants = {n = 3}", "ants is {'n': 3}"),
        ("[colony]\nalpha = 'high'", "alpha is 'high': it must be a number"),
        ("[colony]\nq0 = nan", "q0 is nan"),
        ("[backbone]\nequalise = 1", "equalise is 1: it must be true or false"),
        ("[backbone]\ntaps = 'out_relu'", "taps is 'out_relu': it must be a list of names"),
        ("[backbone]\ntaps = [1]", "taps is"),
        ("[data]\ndata = 3", "data is 3: it must be a path"),
        ("[head]\nhead = 'huge'", "head is 'huge': it must be one of none, dense"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        Settings(**read_config(path))


def test_a_whole_number_will_do_for_a_fraction(path: Path) -> None:
    path.write_text("[colony]\nalpha = 2\nrho = 1")
    assert math.isclose(Settings(**read_config(path)).alpha, 2)


def test_a_file_that_is_no_text_or_not_there_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="no TOML"):
        read_config(path)
    with pytest.raises(ParameterError, match=r"cannot read .*absent\.toml"):
        read_config(path.with_name("absent.toml"))
