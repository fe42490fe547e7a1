"""Show what a model is, what it scored under which protocol, and what it must not be used for.

Without a file that is the card of the model that comes with the package; of another ``model.onnx``,
what its metadata say.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_fast.cli.options import as_path

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "model"
HELP = "show a model's card: data, scores, limits"
EXAMPLES = """\
examples:
  fer-fast model
  fer-fast model runs/paper/model.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "model",
        nargs="?",
        type=as_path,
        metavar="FILE",
        help="a model.onnx (default: the bundled one)",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:  # noqa: ARG001
    """Run the command and return its exit status."""
    from rich.markdown import Markdown

    from fer_fast.recognition.card import BUNDLED_CARD, figures
    from fer_fast.recognition.model import ExpressionModel

    if options.model is None:
        card = BUNDLED_CARD.read_text(encoding="utf-8")
    else:
        card = figures(ExpressionModel(options.model).info)
    if stdout.is_terminal:
        stdout.print(Markdown(card))
    else:
        stdout.print(card, end="", markup=False, highlight=False, soft_wrap=True)
    return 0
