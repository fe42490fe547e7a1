"""Turn faces into features, and keep them in the cache or in a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import FEATURE_SECTIONS, add_options, add_out_option, read_settings
from fer_fast.storage.files import atomic_write

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "extract"
HELP = "turn faces into features"
EXAMPLES = """\
examples:
  fer-fast extract --data fer2013.csv --out features.npz
  fer-fast extract --data faces/ --device cuda
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, FEATURE_SECTIONS)
    add_out_option(
        parser,
        "features_out",
        "FILE",
        "also write a .npz with X, labels, splits and class_names (default: fill the cache only)",
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)

    import numpy as np

    from fer_fast.features import extract

    features = extract(settings, reporter=reporter)
    n_faces, n_features = features.X.shape
    if options.features_out is not None:
        # Through a file, for a path without this suffix would be given it.
        with (
            keeping(),
            atomic_write(options.features_out) as temporary,
            temporary.open("wb") as file,
        ):
            np.savez(
                file,
                X=features.X,
                labels=features.dataset.labels,
                splits=features.dataset.splits,
                class_names=np.array(features.dataset.class_names),
            )
        reporter.note(f"wrote {options.features_out}")
    stdout.print(f"{n_faces:,} faces × {n_features:,} features ({features.session.device})")
    return 0
