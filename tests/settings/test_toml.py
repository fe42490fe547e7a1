"""A run's settings go into a file and come back."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_fast.errors import ParameterError
from fer_fast.settings import PRESETS, Settings, read_config, write_config


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_comes_back_as_it_was(preset: str, path: Path) -> None:
    settings = Settings(**PRESETS[preset], data=Path("fer 2013.csv"), min_features=9)
    write_config(path, settings)
    assert Settings(**read_config(path)) == settings


@given(
    st.floats(0, 100),
    st.floats(0, 1),
    st.none() | st.floats(0, 1e9),
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
)
def test_any_value_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    alpha: float,
    rho: float,
    budget: float | None,
    taps: list[str],
    equalise: bool,
    mirror: bool,
) -> None:
    path = tmp_path_factory.mktemp("config") / "config.toml"
    settings = Settings(
        alpha=alpha,
        rho=rho,
        time_budget=budget,
        taps=tuple(taps),
        equalise=equalise,
        mirror=mirror,
    )
    write_config(path, settings)
    assert Settings(**read_config(path)) == settings


def test_what_changes_no_result_is_not_kept(path: Path) -> None:
    write_config(path, Settings(jobs=7, out=path.parent))
    assert not {"jobs", "out"} & tomllib.loads(path.read_text()).keys()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ants = ", "no TOML"),
        ("aunts = 3", "hold aunts"),
        ("jobs = 3", "hold jobs"),
        ("[ants]\nn = 3", "ants is"),
        ("ants = 3.5", "ants is 3.5: it must be an integer"),
        ("ants = true", "ants is True"),
        ("ants = 0", "ants is 0"),
        ("equalise = 1", "equalise is 1: it must be true or false"),
        ("alpha = 'high'", "alpha is 'high': it must be a number"),
        ("q0 = nan", "q0 is nan"),
        ("taps = 'out_relu'", "taps is 'out_relu': it must be a list of names"),
        ("taps = [1]", "taps is"),
        ("data = 3", "data is 3: it must be a path"),
        ("head = 'huge'", "head is 'huge': it must be one of none, dense"),
        ("pooling = 2", "pooling is 2"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_what_is_wrong(
    path: Path, text: str, message: str
) -> None:
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        Settings(**read_config(path))


def test_a_whole_number_will_do_for_a_fraction(path: Path) -> None:
    path.write_text("alpha = 2\nrho = 1")
    assert math.isclose(Settings(**read_config(path)).alpha, 2)


def test_bytes_and_missing_files_are_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="no TOML"):
        read_config(path)
    with pytest.raises(ParameterError, match=r"cannot read .*absent\.toml"):
        read_config(path.with_name("absent.toml"))
