"""A run's settings as a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import tomli_w

from fer_fast.errors import ParameterError
from fer_fast.settings import Settings
from fer_fast.storage import written_whole

_NOT_KEPT = ("jobs", "out")
"""What belongs to a machine or to one run's files, and changes no result."""

_NAMES = tuple(field.name for field in fields(Settings) if field.name not in _NOT_KEPT)


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings that a TOML file names, as `Settings` takes them.

    Raises
    ------
    ParameterError
        If the file cannot be read, is no TOML, or names a setting that does not exist. Values are
        checked by `Settings`.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise ParameterError(f"cannot read the settings {path} ({error.strerror})") from error
    except ValueError as error:
        raise ParameterError(f"the settings {path} are no TOML file ({error})") from error
    for name, value in document.items():
        if name not in _NAMES:
            raise ParameterError(
                f"the settings {path} hold {name}, which does not exist: "
                f"choose from {', '.join(_NAMES)}"
            )
        if name in ("data", "weights") and isinstance(value, str):
            document[name] = Path(value)
        elif isinstance(value, list):
            document[name] = tuple(value)
    return document


def write_config(path: Path, settings: Settings) -> None:
    """Write every setting that decides the result, for `read_config` to read.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    values = settings.as_dict()
    # TOML has no null: what is left out keeps its default, which is None.
    kept = {name: values[name] for name in _NAMES if values[name] is not None}
    with written_whole(path) as temporary:
        temporary.write_text(tomli_w.dumps(kept), encoding="utf-8")
