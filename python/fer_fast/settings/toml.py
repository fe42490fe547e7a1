"""A run's settings as a TOML file: a table for each section, a key for each knob."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomli_w

from fer_fast.environment import user_path
from fer_fast.errors import ParameterError
from fer_fast.settings.knob import Knob, knobs
from fer_fast.settings.sections import SECTIONS
from fer_fast.settings.settings import Settings

PATH_ERRORS = "surrogateescape"
"""How a text of settings is encoded: names of files need not be UTF-8, and must come back."""

_TABLES: dict[str, dict[str, Knob]] = {
    section.TITLE: {one.name: one for one in knobs(section) if not one.per_machine}
    for section in SECTIONS
}
_PER_MACHINE = {one.name for section in SECTIONS for one in knobs(section) if one.per_machine}


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
        document = tomllib.loads(path.read_text(encoding="utf-8-sig", errors=PATH_ERRORS))
    except OSError as error:
        raise ParameterError(
            f"cannot read the settings {path} ({error.strerror})",
            hint="name a TOML file, such as the config.toml of a run",
        ) from error
    except ValueError as error:
        raise ParameterError(
            f"the settings {path} are no TOML file ({error})", hint="mend that line"
        ) from error
    chosen: dict[str, Any] = {}
    for title, table in document.items():
        if title not in _TABLES or not isinstance(table, dict):
            raise ParameterError(f"the settings {path} hold {title}", hint=_advice(title))
        for name, value in table.items():
            if name not in _TABLES[title]:
                raise ParameterError(f"the settings {path} hold {title}.{name}", hint=_advice(name))
            chosen[name] = _as_setting(_TABLES[title][name], value, path.parent)
    return chosen


def _advice(name: str) -> str:
    """Say where a name belongs that does not stand where it was found."""
    home = {one: title for title, table in _TABLES.items() for one in table}
    if name in home:
        return f"it belongs into the table [{home[name]}], so move it there"
    if name in _TABLES:
        return f"that is a table, so write [{name}] and its settings below it"
    if name in _PER_MACHINE:
        return f"it belongs to a machine and not to a run, so leave it out and give --{name}"
    near = get_close_matches(name, [*home, *_TABLES], n=1)
    if near and near[0] in home:
        return f"there is no such setting; did you mean {near[0]} in the table [{home[near[0]]}]?"
    meant = f"did you mean {near[0]}? " if near else ""
    tables = ", ".join(f"[{title}]" for title, table in _TABLES.items() if table)
    return f"there is no such setting; {meant}the tables are {tables}"


def _as_setting(one: Knob, value: Any, folder: Path) -> Any:
    if one.kind is Path and isinstance(value, str):
        return folder / user_path(value)
    if one.scheme and isinstance(value, str) and (path := one.path_of(value)) is not None:
        return f"{one.scheme}{folder / path}"
    return tuple(value) if isinstance(value, list) else value


def config_text(settings: Settings) -> str:
    """Return every setting that decides the result as TOML, for `read_config` to read.

    Paths are absolute, so that the file may be read from anywhere; write it with `PATH_ERRORS`.
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
