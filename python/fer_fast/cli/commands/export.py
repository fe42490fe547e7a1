"""Write the frozen backbone, and its head if it has one, as an ONNX file of raw uint8 faces."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import FEATURE_SECTIONS, add_options, add_out_option, read_settings
from fer_fast.errors import ParameterError
from fer_fast.storage.files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "export"
HELP = "write the frozen backbone as ONNX"
EXAMPLES = """\
examples:
  fer-fast export
  fer-fast export --size 96 --pooling global --out a.onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, FEATURE_SECTIONS)
    add_out_option(
        parser,
        "model_out",
        "FILE",
        "where to write the model (default: model.onnx)",
        default=Path("model.onnx"),
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)

    from fer_fast.faces.loading import load_faces
    from fer_fast.features import frozen_model, model_with_head, open_model, require_features

    if settings.head == "none":
        _refuse_unused(options)
    require_features(settings)
    model = frozen_model(settings, reporter=reporter)
    if settings.head != "none":
        session = open_model(model, settings, reporter=reporter)
        dataset = load_faces(settings.data, ferplus=settings.ferplus, reporter=reporter)
        model = model_with_head(model, session, dataset, settings, reporter=reporter)
    with keeping(), atomic_write(options.model_out) as temporary:
        shutil.copyfile(model, temporary)
    stdout.print(f"{options.model_out}: {options.model_out.stat().st_size / 1e6:.1f} MB")
    return 0


def _refuse_unused(options: argparse.Namespace) -> None:
    for name in ("data", "labels", "device", "precision", "batch_size"):
        if getattr(options, name) is not None:
            raise ParameterError(
                f"--{name.replace('_', '-')} changes nothing where there is no head to train",
                hint="leave it out, or add --head dense",
            )
