"""Labels stand for the classes of their own data set, wherever they go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.labels import FER2013, FERPLUS, LabelSet, label_set_of
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import save_npz

OWN = ("Bored", "curious", "ångström")


def tree(folder: Path, names: tuple[str, ...], splits: tuple[str, ...] = ("train", "test")) -> Path:
    """Return a folder with two pictures of each class in each split."""
    for split in splits:
        for code, name in enumerate(names):
            for copy in range(2):
                path = folder / split / name / f"{copy}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (48, 48), 10 * code + copy).save(path)
    return folder


def test_ferplus_numbers_fer2013s_expressions_alike() -> None:
    assert FERPLUS.names[: len(FER2013)] == FER2013.names
    assert FERPLUS.names[len(FER2013) :] == ("contempt",)


@given(st.sampled_from(FERPLUS.names), st.sampled_from([str.upper, str.title, str.lower]))
def test_a_class_is_known_in_any_case(name: str, spell: object) -> None:
    assert FERPLUS.code(f" {spell(name)} ") == FERPLUS.names.index(name)  # type: ignore[operator]
    assert FERPLUS.code(f"{name}-like") is None


def test_synonyms_are_other_spellings_of_the_classes() -> None:
    for synonym, name in FER2013.synonyms.items():
        assert FER2013.code(synonym) == FER2013.names.index(name)
    assert FER2013.code("contempt") is None


def test_folders_of_other_classes_are_taken_as_they_are(tmp_path: Path, heard) -> None:
    found = load_faces(tree(tmp_path / "own", OWN), reporter=heard)
    assert found.class_names == OWN
    assert found.label_set not in (FER2013, FERPLUS)
    assert np.array_equal(found.labels, found.pixels[:, 0, 0] // 10)
    assert found.class_counts(Split.PRIVATE_TEST) == dict.fromkeys(OWN, 2)
    assert any("Bored, curious, ångström" in note for note in heard.notes)
    heard.notes.clear()
    again = load_faces(tmp_path / "own", reporter=heard)
    assert (again.digest, again.class_names) == (found.digest, OWN)
    assert any("from the cache" in note for note in heard.notes)
    assert any("Bored, curious, ångström" in note for note in heard.notes)


def test_numbered_folders_are_classes_of_their_own(tmp_path: Path) -> None:
    assert load_faces(tree(tmp_path, ("1", "2", "10"))).class_names == ("1", "10", "2")


@pytest.mark.parametrize("names", [FERPLUS.names, (*FER2013.names[:-1], "Contempt")])
def test_contempt_beside_fer2013s_names_makes_ferplus_classes(
    tmp_path: Path, heard, names: tuple[str, ...]
) -> None:
    # The second are CK+'s, which has no neutral face.
    found = load_faces(tree(tmp_path, names), reporter=heard)
    assert found.label_set is FERPLUS
    expected = dict.fromkeys(FERPLUS.names, 2) | ({} if len(names) == 8 else {"neutral": 0})
    assert found.class_counts(Split.PRIVATE_TEST) == expected
    assert any("4 faces show contempt" in note for note in heard.notes)


def test_contempt_in_a_table_makes_ferplus_classes(
    tmp_path: Path, faces: FaceDataset, as_csv, heard
) -> None:
    told = replace(faces, labels=np.where(faces.labels == 3, np.uint8(7), faces.labels))
    (tmp_path / "ckextended.csv").write_text(as_csv(told))
    for _ in ("read", "from the cache"):
        found = load_faces(tmp_path / "ckextended.csv", reporter=heard)
        assert found.label_set is FERPLUS
        assert np.array_equal(found.labels, told.labels)
        assert f"{np.sum(told.labels == 7)} faces show contempt" in heard.notes[-1]


def test_an_unknown_folder_beside_fer2013s_names_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path, (*FERPLUS.names, "bored"))
    with pytest.raises(DataError, match=r"test/bored beside FER-2013's .*moving it elsewhere"):
        load_faces(folder)


def test_a_class_that_nothing_can_learn_is_named(tmp_path: Path) -> None:
    tree(tree(tmp_path, OWN), ("dazed",), ("test",))
    with pytest.raises(DataError, match="dazed outside its training folder"):
        load_faces(tmp_path)


def test_one_class_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 classes"):
        load_faces(tree(tmp_path, ("dazed",)))


def test_folders_of_one_class_may_differ_in_case(tmp_path: Path) -> None:
    tree(tree(tmp_path, OWN, ("train",)), tuple(name.upper() for name in OWN), ("test",))
    assert load_faces(tmp_path).class_names == OWN


def test_names_are_part_of_what_a_data_set_is(faces: FaceDataset) -> None:
    others = replace(faces, label_set=LabelSet("its own", tuple("abcdefg")))
    assert others.digest != faces.digest
    assert replace(others, label_set=FER2013).digest == faces.digest


def test_names_and_own_labels_go_into_the_npz_and_come_back(
    tmp_path: Path, faces: FaceDataset
) -> None:
    path = tmp_path / "faces.npz"
    for label_set in (FER2013, FERPLUS, LabelSet("its own", ("a", "b", "c", *"DEFGH"))):
        given_ = replace(faces, label_set=label_set, own_labels=(faces.labels + 1) % np.uint8(7))
        save_npz(given_, path)
        found = load_faces(path)
        assert found.digest == given_.digest
        assert found.label_set == label_set
        assert found.own_labels is not None
        assert np.array_equal(found.own_labels, given_.own_labels)


def test_an_npz_without_names_holds_fer2013s(tmp_path: Path, faces: FaceDataset) -> None:
    path = tmp_path / "faces.npz"
    np.savez(path, pixels=faces.pixels, labels=faces.labels, splits=faces.splits)
    found = load_faces(path)
    assert (found.label_set, found.digest) == (FER2013, faces.digest)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "a"], "no list of different names"),
        (["a", ""], "no list of different names"),
        ([["a", "b"]], "no list of different names"),
        ([1, 2], "no list of different names"),
        (["a", "b"], "label above 1"),
    ],
)
def test_an_npz_with_other_names_is_refused(
    tmp_path: Path, faces: FaceDataset, names: list[object], words: str
) -> None:
    path = tmp_path / "faces.npz"
    np.savez(
        path,
        pixels=faces.pixels,
        labels=faces.labels,
        splits=faces.splits,
        class_names=np.array(names),
    )
    with pytest.raises(DataError, match=words):
        load_faces(path)


def test_known_names_are_known_again() -> None:
    assert label_set_of(list(FER2013.names)) is FER2013
    assert label_set_of(list(FERPLUS.names)) is FERPLUS
    assert label_set_of(["b", "a"]).names == ("b", "a")


def test_taken_rows_keep_everything_of_theirs(faces: FaceDataset) -> None:
    own = replace(faces, own_labels=faces.labels[::-1].copy())
    rows = np.array([5, 3, 40])
    taken = own.take(rows)
    assert np.array_equal(taken.pixels, faces.pixels[rows])
    assert np.array_equal(taken.splits, faces.splits[rows])
    assert np.array_equal(taken.labels, faces.labels[rows])
    assert taken.own_labels is not None
    assert np.array_equal(taken.own_labels, faces.labels[::-1][rows])
