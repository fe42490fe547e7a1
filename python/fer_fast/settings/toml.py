"""A run's settings as a TOML file: a table for each section, a key for each knob."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomli_w

from fer_fast.errors import ParameterError
from fer_fast.settings.knob import Knob, knobs
from fer_fast.settings.sections import SECTIONS
from fer_fast.settings.settings import Settings

_TABLES: dict[str, dict[str, Knob]] = {
    section.TITLE: {one.name: one for one in knobs(section) if not one.per_machine}
    for section in SECTIONS
}


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings that a TOML file names, as `Settings` takes them.

    A relative path in the file starts at the file's folder.

    Raises
    ------
    ParameterError
        If the file cannot be read, is no TOML, or names a setting that does not exist. Values are
        checked by `Settings`.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ParameterError(f"cannot read the settings {path} ({error.strerror})") from error
    except ValueError as error:
        raise ParameterError(f"the settings {path} are no TOML file ({error})") from error
    chosen: dict[str, Any] = {}
    for title, table in document.items():
        if title not in _TABLES or not isinstance(table, dict):
            raise ParameterError(f"the settings {path} hold {title}, {_advice(title)}")
        for name, value in table.items():
            if name not in _TABLES[title]:
                raise ParameterError(f"the settings {path} hold {title}.{name}, {_advice(name)}")
            chosen[name] = _as_setting(_TABLES[title][name], value, path.parent)
    return chosen


def _advice(name: str) -> str:
    """Say where a name belongs that does not stand where it was found."""
    home = {one: title for title, table in _TABLES.items() for one in table}
    if name in home:
        return f"which belongs into the table [{home[name]}]: move it there"
    near = get_close_matches(name, [*home, *_TABLES], n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    tables = ", ".join(f"[{title}]" for title, table in _TABLES.items() if table)
    return f"which does not exist: {meant}the tables are {tables}, and --help names their settings"


def _as_setting(one: Knob, value: Any, folder: Path) -> Any:
    if one.kind is Path and isinstance(value, str):
        return folder / Path(value).expanduser()
    if one.scheme and isinstance(value, str) and (path := one.path_of(value)) is not None:
        return f"{one.scheme}{folder / path}"
    return tuple(value) if isinstance(value, list) else value


def config_text(settings: Settings) -> str:
    """Return every setting that decides the result as TOML, for `read_config` to read.

    Paths are absolute, so that the file may be read from anywhere.
    """
    document = {
        title: {
            # TOML has no null: what is left out keeps its default, which is None.
            name: _as_toml(one, getattr(settings, name))
            for name, one in table.items()
            if getattr(settings, name) is not None
        }
        for title, table in _TABLES.items()
    }
    return tomli_w.dumps({title: table for title, table in document.items() if table})


def _as_toml(one: Knob, value: Any) -> Any:
    if one.scheme and (path := one.path_of(value)) is not None:
        return f"{one.scheme}{path.absolute()}"
    return str(value.absolute()) if isinstance(value, Path) else value
