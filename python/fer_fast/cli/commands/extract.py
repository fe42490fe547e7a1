"""Turn faces into features, and keep them in the cache or in a file."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import FEATURE_SECTIONS, add_options, add_out_option, read_settings
from fer_fast.errors import ParameterError
from fer_fast.settings import ClusterSettings
from fer_fast.storage.files import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from fer_fast.faces.dataset import FaceDataset
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
    add_options(parser, (*FEATURE_SECTIONS, ClusterSettings))
    parts = parser.add_argument_group("parts").add_mutually_exclusive_group()
    parts.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="compute the I-th of N parts alone, for a cache that several machines share",
    )
    parts.add_argument(
        "--merge",
        action="store_true",
        help="join the parts in the cache, once all are there; their digests are checked",
    )
    add_out_option(
        parser,
        "features_out",
        "FILE",
        "also write a .npz with X, labels, splits and class_names (default: fill the cache only)",
    )


def _shard(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part: give I/N, from 1/N to N/N")
    return int(number), int(of)


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)
    if options.shard and options.features_out:
        raise ParameterError("--shard and --out exclude each other", hint="give --out to --merge")

    from fer_fast.execution.cluster import cluster_workers
    from fer_fast.features import (
        Shard,
        cached_features,
        cached_shard,
        merged_features,
        open_faces,
    )

    with ExitStack() as life:
        workers = None
        if settings.dask is not None:
            workers = life.enter_context(cluster_workers(settings.dask, reporter))
        dataset, _, session = open_faces(settings, workers=workers, reporter=reporter)
        size = settings.batch_size
        if options.shard:
            shard = Shard(*options.shard)
            path = cached_shard(session, dataset, shard, batch_size=size, reporter=reporter)
            stdout.print(f"part {shard.number} of {shard.of}: {path}", soft_wrap=True)
            return 0
        if options.merge:
            X = merged_features(session, dataset, reporter=reporter)
        else:
            X = cached_features(session, dataset, batch_size=size, reporter=reporter)
    if options.features_out is not None:
        _write(X, dataset, options.features_out)
        reporter.note(f"wrote {options.features_out}")
    stdout.print(f"{len(X):,} faces × {X.shape[1]:,} features ({session.device})")
    return 0


def _write(X: NDArray[np.float32], dataset: FaceDataset, path: Path) -> None:
    import numpy as np

    # Through a file, for a path without this suffix would be given it.
    with keeping(), atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            X=X,
            labels=dataset.labels,
            splits=dataset.splits,
            class_names=np.array(dataset.class_names),
        )
