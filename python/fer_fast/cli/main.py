"""The ``fer-fast`` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from rich.console import Console
from rich.text import Text
from rich_argparse import RichHelpFormatter

from fer_fast import __version__
from fer_fast.cli.commands import audit, doctor, export, extract, pipeline
from fer_fast.cli.console import ConsoleReporter, open_consoles
from fer_fast.cli.interrupt import leave, prompt_interrupts
from fer_fast.environment import available_cpus, limit_threads
from fer_fast.errors import FerFastError

USER_ERROR = 2
"""Exit status of a failure that the user can mend."""

_COMMANDS = (pipeline, extract, export, audit, doctor)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        _, stderr = open_consoles()
        _print_error(stderr, f"{message} (see {self.prog} --help)")
        sys.exit(USER_ERROR)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(
        prog="fer-fast",
        description="Feature selection on frozen CNN features, for facial expression recognition.",
        formatter_class=RichHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fer-fast {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    common = _Parser(add_help=False)
    display = common.add_argument_group("display")
    display.add_argument("--no-color", action="store_true", help="print without colours")
    display.add_argument(
        "--debug", action="store_true", help="show the traceback of a failure that has one"
    )
    for command in _COMMANDS:
        subparser = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.__doc__,
            parents=[common],
            formatter_class=RichHelpFormatter,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done. 1: a defect of fer-fast, or `doctor` found CUDA unusable. 2: something that the user
    can mend. 130: Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    stdout, stderr = open_consoles(no_color=options.no_color)
    # Before the command imports what reads it.
    limit_threads(getattr(options, "jobs", None) or available_cpus())
    try:
        with prompt_interrupts():
            status: int = options.run(options, stdout, ConsoleReporter(stderr))
    except FerFastError as error:
        if options.debug:
            stderr.print(*getattr(error, "__notes__", ()), markup=False, highlight=False)
        _print_error(stderr, str(error))
        return USER_ERROR
    except KeyboardInterrupt as interrupt:
        leave(str(interrupt))
    except MemoryError:
        _print_error(
            stderr, "there is not enough memory: choose a smaller --size or a coarser --pooling"
        )
        return USER_ERROR
    except Exception as error:
        if options.debug:
            raise
        _print_error(
            stderr,
            f"unexpected {type(error).__name__}: {error} "
            "(a defect of fer-fast: run again with --debug for the traceback to report)",
        )
        return 1
    return status


def _print_error(console: Console, message: str) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
