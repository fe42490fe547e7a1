"""Print the settings that a run with the same options would have, and where each comes from.

What is printed is a TOML file for --config. An option overrides a --config file, which overrides
a --preset, which overrides the default.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_fast.cli.options import add_options, chosen_settings, read_settings
from fer_fast.settings import SECTIONS, Settings, config_text, knobs

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "config"
HELP = "print the effective settings, and where each comes from"
EXAMPLES = """\
examples:
  fer-fast config --preset best --trees 200
  fer-fast config --preset best > mine.toml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, SECTIONS)


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:  # noqa: ARG001
    """Run the command and return its exit status."""
    origins = {name: origin for name, (_, origin) in chosen_settings(options).items()}
    settings = read_settings(options)
    lines = []
    for line in config_text(settings).splitlines():
        name, is_setting, _ = line.partition(" = ")
        lines.append(f"{line}  # {origins.get(name, 'default')}" if is_setting else line)
    # TOML has no word for what is unset, and these belong to no file.
    for one in knobs(Settings):
        value = getattr(settings, one.name)
        if one.per_machine:
            lines.append(
                f"# {one.option} {value or one.unset}  # {origins.get(one.name, 'default')}"
            )
        elif value is None:
            lines.append(f"# {one.name} is unset: {one.unset}")
    # A name of a file need not be UTF-8, and the stream takes it as it is.
    stdout.file.write("\n".join(lines) + "\n")
    return 0
