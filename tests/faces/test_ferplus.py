"""FER+'s votes held against the labels of the faces that they are on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.ferplus import (
    majority_labels,
    second_opinion,
    vote_shares,
    with_ferplus_labels,
)
from fer_fast.faces.labels import FERPLUS, LabelSet
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import save_npz

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
    assert found.other == 2


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


MAJORITIES = {
    "1,0,0,0,9,0,0,0,0,0": "angry",
    "2,6,0,0,0,0,0,2,0,0": "happy",
    "0,0,4,0,0,0,3,0,2,0": None,  # most say surprise, but not more than half
    "5,5,0,0,0,0,0,0,0,0": None,
    "1,0,0,0,0,0,0,9,0,0": "contempt",
    "0,0,0,0,0,1,0,0,0,9": None,  # no face
    "0,0,0,0,1,2,0,0,6,0": None,  # unknown
    "0,0,0,0,0,0,0,0,0,0": None,
}


def test_faces_without_a_majority_for_an_expression_are_left_out_and_counted(
    dataset: FaceDataset, tmp_path: Path, heard
) -> None:
    given = dataset.take(np.arange(len(MAJORITIES)))
    found = with_ferplus_labels(given, votes_file(tmp_path, list(MAJORITIES)), reporter=heard)
    names = [name for name in MAJORITIES.values() if name]
    rows = [row for row, name in enumerate(MAJORITIES.values()) if name]
    assert [FERPLUS.names[label] for label in found.labels] == names
    assert found.label_set == FERPLUS
    assert np.array_equal(found.pixels, given.pixels[rows])
    assert found.own_labels is not None
    assert np.array_equal(found.own_labels, given.labels[rows])
    (note,) = heard.notes
    assert "3 of 8 faces" in note
    assert "3 without a majority, 1 voted unknown and 1 voted not a face" in note


def test_votes_that_excel_saved_are_read(dataset: FaceDataset, tmp_path: Path) -> None:
    rows = ["1,0,0,0,0,0,0,0,0,0"] * 6
    plain = votes_file(tmp_path, rows)
    expected = second_opinion(dataset.take(np.arange(6)), plain)
    text = plain.read_text().replace(",", " , ").replace("Usage", " usage ")
    for encoding, end in (("utf-8-sig", "\r\n"), ("utf-8", "\n\n")):
        plain.write_text(text.replace("\n", end), encoding=encoding, newline="")
        assert second_opinion(dataset.take(np.arange(6)), plain) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        b"Usage\n",
        b"Usage," + COLUMNS.encode() + b"\nTraining,-1" + b",0" * 9,
    ],
)
def test_what_holds_no_votes_is_refused(
    dataset: FaceDataset, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "votes.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"votes\.csv (holds no FER|has votes on 0 faces)"):
        second_opinion(dataset, tmp_path / "votes.csv")


def test_votes_on_faces_of_other_classes_are_refused(dataset: FaceDataset, tmp_path: Path) -> None:
    others = replace(dataset, label_set=LabelSet("its own", tuple("abcdefg")))
    with pytest.raises(DataError, match="other classes than FER-2013's"):
        with_ferplus_labels(others, votes_file(tmp_path, []))


def test_a_data_set_is_loaded_under_ferplus_labels(dataset: FaceDataset, tmp_path: Path) -> None:
    save_npz(dataset, tmp_path / "faces.npz")
    names = ["Training"] * 20 + ["PublicTest"] * 20 + ["PrivateTest"] * 20
    lines = [f"{name},,9,0,0,0,0,0,0,0,0,0" for name in names]
    votes = tmp_path / "votes.csv"
    votes.write_text("\n".join([f"Usage,Image name,{COLUMNS}", *lines]))
    found = load_faces(tmp_path / "faces.npz", ferplus=votes)
    assert set(found.labels.tolist()) == {FERPLUS.names.index("neutral")}
    assert found.own_labels is not None
    assert np.array_equal(found.own_labels, dataset.labels)
    votes.write_text("\n".join([f"Usage,Image name,{COLUMNS}", *lines[:-20]]))
    with pytest.raises(DataError, match="votes on 40 faces and the data set 60"):
        load_faces(tmp_path / "faces.npz", ferplus=votes)


def test_shares_are_of_the_votes_for_fer2013s_expressions(
    dataset: FaceDataset, tmp_path: Path
) -> None:
    few = replace(
        dataset, pixels=dataset.pixels[:3], labels=dataset.labels[:3], splits=dataset.splits[:3]
    )
    rows = [
        "3,0,1,0,4,0,0,2,0,0",  # contempt does not count
        "0,5,0,0,0,0,0,0,4,1",
        "0,0,0,0,0,0,0,3,0,7",  # nothing is left
    ]
    shares = vote_shares(few, votes_file(tmp_path, rows))
    expected = np.zeros((3, 7))
    expected[0, [few.class_names.index(name) for name in ("neutral", "surprise", "angry")]] = (
        *(3 / 8, 1 / 8, 4 / 8),
    )
    expected[1, few.class_names.index("happy")] = 1
    np.testing.assert_allclose(shares, expected)


def test_a_majority_is_more_than_half_of_all_votes(dataset: FaceDataset, tmp_path: Path) -> None:
    few = replace(
        dataset, pixels=dataset.pixels[:5], labels=dataset.labels[:5], splits=dataset.splits[:5]
    )
    rows = [
        "5,5,0,0,0,0,0,0,0,0",
        "0,6,0,0,0,0,0,0,4,0",
        "0,0,0,0,0,0,0,9,1,0",
        "0,0,0,0,0,0,0,0,9,1",
        "0,0,0,0,0,0,0,0,1,9",
    ]
    happy, contempt = map(FERPLUS.names.index, ("happy", "contempt"))
    found = majority_labels(few, votes_file(tmp_path, rows))
    assert found.tolist() == [-1, happy, contempt, -1, -1]


@pytest.mark.real_data
def test_every_face_of_fer2013_is_counted_once(fer2013: Path, ferplus: Path) -> None:
    found = second_opinion(load_faces(fer2013), ferplus)
    assert found.judged + found.other + found.undecided + found.no_face == 35_887
