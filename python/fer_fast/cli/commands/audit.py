"""Show what is wrong with the faces, and what wrong ways to test make of the same forest.

Counts duplicates, contradictory labels and blank images; then fits one forest on the features and
tests it honestly, on an oversampled test set, and on a random part of oversampled data.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import (
    FEATURE_SECTIONS,
    add_options,
    add_out_option,
    as_path,
    read_settings,
)
from fer_fast.errors import ParameterError
from fer_fast.settings import ForestSettings
from fer_fast.storage.files import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from fer_fast.progress import Reporter

NAME = "audit"
HELP = "show what is wrong with the faces and with flattering protocols"
EXAMPLES = """\
examples:
  fer-fast audit --data fer2013.csv
  fer-fast audit --data faces/ --faces-only --out audit.json
  fer-fast audit --data fer2013.csv --ferplus fer2013new.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_options(parser, (*FEATURE_SECTIONS, ForestSettings))
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--ferplus",
        type=as_path,
        metavar="CSV",
        help="FER+'s fer2013new.csv: compare the labels with its votes",
    )
    group.add_argument(
        "--faces-only", action="store_true", help="leave out the protocols, which fit three forests"
    )
    add_out_option(parser, "audit_out", "FILE", "also write it as JSON (default: print only)")


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    settings = read_settings(options)

    from fer_fast.audit.integrity import check_integrity
    from fer_fast.audit.protocols import compare_protocols
    from fer_fast.balance.smote import require_balancing
    from fer_fast.cli.tables.audit import integrity_table, protocol_table
    from fer_fast.faces.dataset import SPLIT_NAMES
    from fer_fast.faces.ferplus import second_opinion
    from fer_fast.faces.loading import load_faces
    from fer_fast.features import extract, require_features

    if options.ferplus is not None and settings.labels is not None:
        raise ParameterError(
            "--ferplus compares the data's own labels with the votes that --labels takes instead",
            hint="give one of the two",
        )
    if not options.faces_only:
        require_features(settings)
        require_balancing("smote")
    dataset = load_faces(settings.data, ferplus=settings.ferplus, reporter=reporter)
    opinion = None if options.ferplus is None else second_opinion(dataset, options.ferplus)
    integrity = check_integrity(dataset, reporter=reporter)
    tables = [integrity_table(integrity, opinion)]
    document: dict[str, Any] = {
        "integrity": asdict(integrity)
        | {
            name: {SPLIT_NAMES[split]: n for split, n in getattr(integrity, name).items()}
            for name in ("shared", "near_shared")
        }
    }
    if opinion is not None:
        document["ferplus"] = asdict(opinion)
    if not options.faces_only:
        features = extract(settings, dataset=dataset, reporter=reporter)
        protocols = compare_protocols(
            features.X,
            dataset,
            settings.section(ForestSettings),
            random_state=settings.seed,
            n_jobs=settings.jobs,
            reporter=reporter,
        )
        tables.append(protocol_table(protocols))
        document["protocols"] = [asdict(protocol) for protocol in protocols]
    try:
        if options.audit_out is not None:
            _write(options.audit_out, document)
            reporter.note(f"wrote {options.audit_out}")
    finally:
        stdout.print(*tables)
    return 0


def _write(path: Path, document: dict[str, Any]) -> None:
    with keeping(), atomic_write(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
