"""How a page of --help is laid out."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from rich.text import Text
from rich_argparse import RichHelpFormatter

_OPTIONS = argparse.Action([], dest="options", metavar="[options]")
"""What stands in a line of usage for all options: two dozen in brackets are read by nobody."""


class HelpFormatter(RichHelpFormatter):
    """Help as it is written: the brackets of an extra are no markup, examples stand in lines."""

    help_markup = False
    text_markup = False

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],  # noqa: ARG002
        prefix: str | None = None,
    ) -> None:
        """Name the options by one word, and each argument."""
        shown = [_OPTIONS, *(one for one in actions if not one.option_strings)]
        super().add_usage(usage, shown, [], prefix)

    def _rich_fill_text(self, text: Text, width: int, indent: Text) -> Text:
        """Fill paragraphs to the width; lines that are indented stay lines."""
        filled = Text()
        for paragraph in text.split("\n\n"):
            if "\n " in paragraph.plain:
                lines = Text("\n").join(indent + line for line in paragraph.split())
                filled.append_text(lines).append("\n\n")
            else:
                filled.append_text(super()._rich_fill_text(paragraph, width, indent))
        return filled
