"""FER+'s votes held against the labels of the faces that they are on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.ferplus import second_opinion

COLUMNS = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture
def dataset() -> FaceDataset:
    """Return 60 random faces, 20 in each split."""
    pixels = np.random.default_rng(5).integers(0, 256, (60, 48, 48), dtype=np.uint8)
    labels = (np.arange(60) % 7).astype(np.uint8)
    return FaceDataset(pixels, labels, np.repeat(list(Split), 20).astype(np.uint8), "random")


def votes_file(folder: Path, rows: list[str]) -> Path:
    path = folder / "votes.csv"
    path.write_text("\n".join([f"Usage,Image name,{COLUMNS}", *(f"Training,,{r}" for r in rows)]))
    return path


def test_votes_are_compared_by_the_name_of_the_expression(
    dataset: FaceDataset, tmp_path: Path
) -> None:
    few = FaceDataset(
        dataset.pixels[:6], np.array([0, 3, 6, 6, 1, 2], np.uint8), dataset.splits[:6], "few"
    )
    rows = [
        "1,0,0,0,9,0,0,0,0,0",  # anger on angry: agrees
        "8,2,0,0,0,0,0,0,0,0",  # neutral on happy: contradicts
        "5,5,0,0,0,0,0,0,0,0",  # a tie
        "1,0,0,0,0,0,0,9,0,0",  # contempt, which is no label
        "0,0,0,0,0,1,0,0,0,9",  # no face
        "0,0,0,0,1,2,3,0,4,0",  # most do not know
    ]
    found = second_opinion(few, votes_file(tmp_path, rows))
    assert (found.judged, found.disagreeing, found.undecided, found.no_face) == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [(["1,0,0,0,0,0,0,0,0,0"], "votes on 1 faces"), (["1,2"], "no FER"), (["a" * 9], "no FER")],
)
def test_votes_on_other_faces_are_refused(
    dataset: FaceDataset, tmp_path: Path, rows: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        second_opinion(dataset, votes_file(tmp_path, rows))


def test_votes_on_faces_in_another_order_are_refused(dataset: FaceDataset, tmp_path: Path) -> None:
    votes = votes_file(tmp_path, ["1,0,0,0,0,0,0,0,0,0"] * 6)
    in_order = FaceDataset(dataset.pixels[:6], dataset.labels[:6], dataset.splits[:6], "few")
    assert second_opinion(in_order, votes).judged == 6
    with pytest.raises(DataError, match="another order than few"):
        second_opinion(replace(in_order, splits=dataset.splits[15:21]), votes)


def test_a_file_of_votes_that_is_not_there_is_named(dataset: FaceDataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        second_opinion(dataset, tmp_path / "nowhere.csv")
