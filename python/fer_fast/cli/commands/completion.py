"""Print what makes a shell complete the options and files of fer-fast at the tab key."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "completion"
HELP = "make a shell complete the command at the tab key"
EXAMPLES = """\
examples:
  echo 'eval "$(fer-fast completion bash)"' >> ~/.bashrc
  echo 'eval "$(fer-fast completion zsh)"' >> ~/.zshrc
  fer-fast completion fish \\
    > ~/.config/fish/completions/fer-fast.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose completion")


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:  # noqa: ARG001
    """Run the command and return its exit status."""
    from argcomplete.shell_integration import shellcode

    stdout.file.write(shellcode(["fer-fast"], shell=options.shell))
    return 0
