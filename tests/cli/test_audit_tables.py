"""What is printed of an audit."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console
from rich.table import Table

from fer_fast.audit.integrity import Integrity
from fer_fast.audit.protocols import Protocol
from fer_fast.classifier.scores import score
from fer_fast.cli.tables.audit import integrity_table, protocol_table
from fer_fast.faces.dataset import Split
from fer_fast.faces.ferplus import SecondOpinion
from fer_fast.faces.labels import FER2013


def _rows(table: Table) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=200)
    console.print(table)
    return [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in console.file.getvalue().splitlines()
        if line.startswith("│")
    ]


def test_every_count_stands_beside_its_name() -> None:
    found = Integrity(
        faces=35_000,
        redundant=1_801,
        shared=dict(zip(Split, (1_702, 1_603, 1_504), strict=True)),
        near=1_405,
        near_shared=dict(zip(Split, (1_306, 1_207, 1_108), strict=True)),
        conflicting=1_009,
        conflicting_images=90,
        blank=11,
    )
    counts = [
        ["all", "35,000"],
        ["redundant: their exact image came before", "1,801"],
        ["in Training, exact image in another split", "1,702"],
        ["in PublicTest, exact image in another split", "1,603"],
        ["in PrivateTest, exact image in another split", "1,504"],
        ["with a near duplicate, exact ones aside", "1,405"],
        ["in Training, near duplicate in another split", "1,306"],
        ["in PublicTest, near duplicate in another split", "1,207"],
        ["in PrivateTest, near duplicate in another split", "1,108"],
        ["labelled differently elsewhere (90 images)", "1,009"],
        ["blank", "11"],
    ]
    assert _rows(integrity_table(found, None)) == counts
    opinion = SecondOpinion(judged=2_000, disagreeing=250, other=60, undecided=40, no_face=5)
    assert _rows(integrity_table(found, opinion)) == [
        *counts,
        ["judged by FER+", "2,000"],
        ["whose label FER+ contradicts (12.5% of them)", "250"],
        ["that FER+ takes for contempt or unknown", "60"],
        ["on which FER+ is undecided", "40"],
        ["that are no face to FER+", "5"],
    ]


def test_every_protocol_stands_beside_its_scores() -> None:
    # Worked by hand: one of four rows right; of two classes, one has F1 = 2/5 and the other none.
    wrong = score(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0]), FER2013.names)
    right = score(np.arange(7), np.arange(7), FER2013.names)
    protocols = [Protocol("plain", "Honest: so", right), Protocol("odd", "Wrong: thus", wrong)]
    assert _rows(protocol_table(protocols)) == [
        ["plain", "1.000", "1.000", "1.000", "Honest: so"],
        ["odd", "0.250", "0.300", "0.200", "Wrong: thus"],
    ]
