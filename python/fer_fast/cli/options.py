"""The options that several commands share, made from the declarations of the settings."""

from __future__ import annotations

import argparse
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from fer_fast.environment import user_path
from fer_fast.errors import ParameterError
from fer_fast.settings import (
    PRESETS,
    BackboneSettings,
    DataSettings,
    DeviceSettings,
    HeadSettings,
    Knob,
    MachineSettings,
    Section,
    Settings,
    knobs,
    read_config,
)

FEATURE_SECTIONS: tuple[type[Section], ...] = (
    DataSettings,
    BackboneSettings,
    HeadSettings,
    DeviceSettings,
    MachineSettings,
)
"""What decides the features, and how fast they come."""


def add_options(parser: argparse.ArgumentParser, sections: Iterable[type[Section]]) -> None:
    """Add presets and files, and the options of some sections."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--preset",
        choices=sorted(PRESETS),
        help="a named set of options; options given beside it override it",
    )
    group.add_argument(
        "--config",
        type=as_path,
        metavar="FILE",
        help="a TOML file of options, such as the config.toml that a run with --out writes; it "
        "overrides the preset, and options given beside it override both",
    )
    for section in sections:
        group = parser.add_argument_group(section.TITLE)
        for one in knobs(section):
            _add_option(group, one)


def _add_option(group: argparse._ArgumentGroup, one: Knob) -> None:
    described = f"{one.help} (default: {one.shown_default})"
    if one.kind is bool:
        group.add_argument(one.option, action=argparse.BooleanOptionalAction, help=described)
    elif one.kind is tuple:
        group.add_argument(one.option, nargs="+", metavar=one.metavar, help=described)
    elif one.choices:
        group.add_argument(one.option, choices=one.choices, help=described)
    else:
        kind: Any = as_path if one.kind is Path else one.kind
        group.add_argument(one.option, type=kind, metavar=one.metavar, help=described)


def as_path(name: str) -> Path:
    """Return what an option names, ``~`` being the home folder."""
    try:
        return user_path(name)
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_out_option(
    parser: argparse.ArgumentParser,
    dest: str,
    metavar: Literal["FILE", "DIR"],
    description: str,
    default: Path | None = None,
) -> None:
    """Add ``--out`` to a command whose results are not a run's."""
    kind = _file if metavar == "FILE" else as_path
    parser.add_argument_group("output").add_argument(
        "--out", dest=dest, type=kind, metavar=metavar, default=default, help=description
    )


def _file(name: str) -> Path:
    """Return what an option names if a file may take its place: a device would be lost to one."""
    path = as_path(name)
    try:
        status = path.stat()
    except FileNotFoundError:
        return path
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {path} ({error.strerror})") from error
    if stat.S_ISDIR(status.st_mode):
        raise argparse.ArgumentTypeError(f"{path} is a folder: name a file")
    if not stat.S_ISREG(status.st_mode):
        raise argparse.ArgumentTypeError(f"{path} is a device or a pipe: name a file")
    return path


def read_settings(options: argparse.Namespace) -> Settings:
    """Return the settings that the options ask for.

    A later one overrides an earlier one: defaults, preset, file, options.

    Raises
    ------
    ParameterError
        If one is outside its range, or the file cannot be used.
    """
    return Settings(**{name: value for name, (value, _) in chosen_settings(options).items()})


def chosen_settings(options: argparse.Namespace) -> dict[str, tuple[Any, str]]:
    """Return the value of each setting that is not the default, and what says so.

    Raises
    ------
    ParameterError
        If the file cannot be used.
    """
    chosen: dict[str, tuple[Any, str]] = {
        name: (value, f"--preset {options.preset}")
        for name, value in PRESETS.get(options.preset, {}).items()
    }
    if options.config is not None:
        read = read_config(options.config)
        chosen |= {name: (value, str(options.config)) for name, value in read.items()}
    for one in knobs(Settings):
        value = getattr(options, one.name, None)
        if value is not None:
            chosen[one.name] = (tuple(value) if isinstance(value, list) else value, one.option)
    return chosen


def resumed_settings(options: argparse.Namespace) -> Settings:
    """Return the settings of the run that ``--resume`` names; options may repeat them.

    Raises
    ------
    ParameterError
        If an option says otherwise, or the run's settings cannot be read.
    """
    for name in ("preset", "config"):
        if getattr(options, name) is not None:
            raise ParameterError(
                f"--resume takes the settings of the run, and --{name} would too",
                hint="give one of the two",
            )
    config = options.resume / "config.toml"
    chosen = read_config(config)
    for one in knobs(Settings):
        value = getattr(options, one.name, None)
        if value is None or one.name == "out":
            continue
        value = tuple(value) if isinstance(value, list) else value
        earlier = chosen.get(one.name, one.default)
        if not one.per_machine and value != earlier:
            raise ParameterError(
                f"{one.option} is {value} here, and {one.name} {earlier} in {config}",
                hint="resume the run as it was begun, or begin another",
            )
        chosen[one.name] = value
    if options.out not in (None, options.resume):
        raise ParameterError(
            f"--resume goes on in {options.resume}, and --out names {options.out}",
            hint="leave --out away",
        )
    return Settings(**chosen | {"out": options.resume})
