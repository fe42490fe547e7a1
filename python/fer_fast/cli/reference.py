"""The reference page of the commands, from their own parsers.

``python -m fer_fast.cli.reference`` prints it as Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from fer_fast.cli.main import build_parser

_HEAD = """\
# Commands

What `fer-fast COMMAND --help` says, on one page. Every command takes `--no-color`, `--quiet` and
`--debug`. The options that are settings of a run stand in [Settings](settings.md) too, beside the
presets.

The exit status is 0 where all is done, 1 for a defect of fer-fast, where `doctor` found CUDA
unusable, or where whoever read the output left, 2 for what the user can mend, and 128 and a
signal's number, such as 130, for Ctrl-C.
"""

_SHARED = "help", "no_color", "quiet", "debug"
"""Where the options that every command has are stored."""


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join([_HEAD, *(_command(name, one) for name, one in commands().items())])


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command by its name."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def _command(name: str, parser: argparse.ArgumentParser) -> str:
    arguments = [one for group in parser._action_groups for one in group._group_actions]
    positional = [_invocation(one) for one in arguments if not one.option_strings]
    typed = " ".join(["fer-fast", name, "[OPTIONS]", *positional])
    parts = [f"## {name}\n", f"```text\n{typed}\n```\n", f"{(parser.description or '').strip()}\n"]
    if parser.epilog:
        _, _, examples = parser.epilog.partition("\n")
        lines = "\n".join(line.strip() for line in examples.strip().splitlines())
        parts.append(f"```text\n{lines}\n```\n")
    return "\n".join([*parts, *_tables(parser)])


def _tables(parser: argparse.ArgumentParser) -> Iterator[str]:
    for group in parser._action_groups:
        actions = [
            one
            for one in group._group_actions
            if one.help != argparse.SUPPRESS and one.dest not in _SHARED
        ]
        if not actions:
            continue
        rows = [f"| `{_escaped(_invocation(one))}` | {_escaped(_help(one))} |" for one in actions]
        yield "\n".join([f"| {group.title} | |", "| --- | --- |", *rows, ""])


def _invocation(action: argparse.Action) -> str:
    return argparse.HelpFormatter("fer-fast")._format_action_invocation(action)


def _help(action: argparse.Action) -> str:
    return " ".join((action.help or "").split()).replace("%%", "%")


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    print(reference(), end="")
