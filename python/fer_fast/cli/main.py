"""The ``fer-fast`` command."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, cast

from rich.console import Console
from rich.text import Text

from fer_fast import __version__
from fer_fast.cli.commands import (
    audit,
    completion,
    config,
    doctor,
    evaluate,
    export,
    extract,
    model,
    pipeline,
    predict,
    report,
    runs,
    serve,
)
from fer_fast.cli.console import ConsoleReporter, QuietReporter, one_line, open_consoles
from fer_fast.cli.help import HelpFormatter
from fer_fast.cli.interrupt import leave, prompt_interrupts
from fer_fast.cli.streams import GuardedStream, occupy_standard_descriptors
from fer_fast.environment import available_cpus, limit_threads
from fer_fast.errors import FerFastError, ParameterError

DEFECT = READER_LEFT = 1
USER_ERROR = 2
"""Exit status of a failure that the user can mend."""

_COMMANDS = (
    *(pipeline, report, runs, predict, evaluate, model, serve),
    *(extract, export, audit, config, doctor, completion),
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, like every other error of the command."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(message, hint=f"see {self.prog} --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is unknown here, where its neighbours are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            known = [name for name in self._option_string_actions if name.startswith("--")]
            near = get_close_matches(unknown[0].partition("=")[0], known, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return found, unknown


def build_parser(stdout: Console | None = None) -> argparse.ArgumentParser:
    """Return the parser of every command; its help is formatted for the console."""

    def formatter(prog: str) -> HelpFormatter:
        return HelpFormatter(prog, console=stdout)

    parser = _Parser(
        prog="fer-fast",
        description="Feature selection on frozen CNN features, for facial expression recognition.",
        formatter_class=formatter,
    )
    parser.add_argument("--version", action="version", version=f"fer-fast {__version__}")
    commands = parser.add_subparsers(
        title="commands", required=True, metavar="COMMAND", prog=parser.prog
    )
    common = _Parser(add_help=False)
    display = common.add_argument_group("display")
    display.add_argument("--no-color", action="store_true", help="print without colours")
    display.add_argument(
        "--quiet", action="store_true", help="say nothing but warnings, errors and the result"
    )
    display.add_argument(
        "--debug", action="store_true", help="show the traceback of a failure that has one"
    )
    for command in _COMMANDS:
        subparser = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.__doc__,
            parents=[common],
            formatter_class=formatter,
            epilog=command.EXAMPLES,
        )
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done. 1: a defect of fer-fast, or `doctor` found CUDA unusable, or whoever read the output
    left. 2: something that the user can mend. 128 and a signal's number: that signal, such as 130
    for Ctrl-C.
    """
    if "_ARGCOMPLETE" in os.environ:
        # A shell asks for what may come next.
        from argcomplete import autocomplete

        autocomplete(build_parser())
    occupy_standard_descriptors()
    stdout, stderr = open_consoles()
    status = _run(arguments, stdout, stderr)
    stdout.file.flush()
    return max(status, _status_of_output(stdout, stderr))


def _run(arguments: Sequence[str] | None, stdout: Console, stderr: Console) -> int:
    """Run a command, whatever it raises, and return its exit status."""
    show_traceback = False
    try:
        options = build_parser(stdout).parse_args(arguments)
        show_traceback = options.debug
        if options.no_color:
            stdout.no_color = stderr.no_color = True
        # Before the command imports what reads it.
        limit_threads(getattr(options, "jobs", None) or available_cpus())
        with prompt_interrupts(), warnings.catch_warnings():
            # What is wrong with a picture is said in a sentence, or in its row.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            reporter = (QuietReporter if options.quiet else ConsoleReporter)(stderr)
            status: int = options.run(options, stdout, reporter)
        return status
    except SystemExit as answered:
        # argparse has printed what --help or --version asked for.
        return int(answered.code or 0)
    except FerFastError as error:
        if show_traceback:
            stderr.print(*getattr(error, "__notes__", ()))
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
        if show_traceback:
            raise
        _print_error(
            stderr,
            f"unexpected {type(error).__name__}: {error} "
            "(a defect of fer-fast: run again with --debug for the traceback to report)",
        )
        return DEFECT


def _status_of_output(stdout: Console, stderr: Console) -> int:
    """Say what standard output refused; a reader that left, such as `head`, knows it."""
    refusal = cast(GuardedStream, stdout.file).refusal
    if refusal is None:
        return 0
    if isinstance(refusal, BrokenPipeError):
        return READER_LEFT
    reason = refusal.strerror or refusal
    _print_error(
        stderr,
        f"cannot write to standard output ({reason}): free some space there or send it elsewhere",
    )
    return USER_ERROR


def _print_error(console: Console, message: str) -> None:
    console.print(Text.assemble(("error: ", "bold red"), one_line(message)), soft_wrap=True)
