"""Pictures in folders: labels by name, splits by name, and whatever else lies there."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import Split
from fer_fast.faces.labels import FER2013
from fer_fast.faces.loading import load_faces


def put(path: Path, tone: int, size: tuple[int, int] = (48, 48), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, tone).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of 21 pictures whose tone tells their split and label."""
    for code, label in enumerate(FER2013.names):
        put(tmp_path / "faces" / "train" / label / "a.png", 10 * code)
        put(tmp_path / "faces" / "train" / label / "b.png", 10 * code + 1)
        put(tmp_path / "faces" / "test" / label / "a.png", 100 + 10 * code)
    return tmp_path / "faces"


def contents(dataset):
    """Return (tone, label, split) of each face, in order of tone."""
    tones = dataset.pixels[:, 24, 24].tolist()
    return sorted(zip(tones, dataset.labels.tolist(), dataset.splits.tolist(), strict=True))


EXPECTED = [(10 * code + copy, code, 0) for code in range(7) for copy in range(2)] + [
    (100 + 10 * code, code, 2) for code in range(7)
]


def without_validation(dataset):
    return [(tone, label, 0 if split == 1 else split) for tone, label, split in contents(dataset)]


def test_labels_go_by_name_and_splits_by_folder(folder):
    assert without_validation(load_faces(folder)) == EXPECTED


def test_synonyms_case_and_suffixes(folder):
    names = {
        "angry": "Anger",
        "disgust": "DISGUSTED",
        "fear": "fearful",
        "happy": "Happiness",
        "sad": "sadness",
        "surprise": "surprised",
        "neutral": "Neutral",
    }
    for split in ("train", "test"):
        for name, synonym in names.items():
            (folder / split / name).rename(folder / split / f"{synonym}_")
            (folder / split / f"{synonym}_").rename(folder / split / synonym)
    (folder / "train").rename(folder / "Training")
    (folder / "test").rename(folder / "PrivateTest")
    (folder / "Training" / "Anger" / "a.png").rename(folder / "Training" / "Anger" / "a.PNG")
    assert without_validation(load_faces(folder)) == EXPECTED
    put(folder / "Training" / "sadness" / "c.jpeg", 200)
    put(folder / "validation" / "sadness" / "c.jpg", 210, mode="RGB")
    extended = load_faces(folder)
    assert extended.class_counts(Split.PUBLIC_TEST)["sad"] == len(extended.rows(Split.PUBLIC_TEST))
    assert contents(extended)[-2:] == [(200, 4, 0), (210, 4, 1)]


def test_a_zip_and_a_parent_folder_give_the_same(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, Path("download") / path.relative_to(folder))
        archive.writestr("__MACOSX/download/train/sad/._a.png", b"no picture")
    digest = load_faces(folder).digest
    assert load_faces(tmp_path / "faces.zip").digest == digest
    (folder / "train" / "sad" / ".hidden.png").write_bytes(b"no picture")
    (folder / "readme.txt").write_text("no picture")
    assert load_faces(folder.parent / "faces").digest == digest


def test_other_sizes_and_modes_are_resized_and_announced(folder, heard):
    put(folder / "test" / "sad" / "b.png", 200, (96, 64), "RGBA")
    put(folder / "test" / "sad" / "c.png", 210, (1, 1), "P")
    assert contents(load_faces(folder, reporter=heard))[-2:] == [(200, 4, 2), (210, 4, 2)]
    assert any("2 pictures resized to 48×48" in note for note in heard.notes)


def test_resizing_keeps_what_is_seen(folder):
    big = np.zeros((96, 96), np.uint8)
    big[:48] = 255
    Image.fromarray(big).save(folder / "test" / "sad" / "a.png")
    seen = load_faces(folder).pixels
    halves = [(face[:20].min(), face[28:].max()) for face in seen]
    assert halves.count((255, 0)) == 1


def test_pictures_elsewhere_are_left_out_and_announced(folder, heard):
    put(folder / "cover.png", 5)
    put(folder / "extra" / "sad" / "a.png", 5)
    assert without_validation(load_faces(folder, reporter=heard)) == EXPECTED
    assert "2 pictures outside" in heard.warnings[0]


def test_the_cache_knows_a_folder_by_its_names_and_contents(folder, heard):
    load_faces(folder)
    load_faces(folder, reporter=heard)
    assert heard.tasks == ["Looking for faces read before"]
    (folder / "test" / "sad" / "a.png").rename(folder / "test" / "happy" / "b.png")
    assert contents(load_faces(folder))[-3] == (140, 3, 2)
    put(folder / "test" / "happy" / "b.png", 141)
    assert contents(load_faces(folder))[-3] == (141, 3, 2)


@pytest.mark.parametrize("name", ["bored", "3"])
def test_an_unknown_label_folder_is_named(folder, name):
    (folder / "train" / "sad").rename(folder / "train" / name)
    with pytest.raises(DataError, match=f"train/{name} .*angry, disgust, fear, .*sadness"):
        load_faces(folder)


@pytest.mark.parametrize("damage", [b"", b"no picture", None])
def test_a_broken_picture_is_named(folder, damage, cache):
    path = folder / "train" / "sad" / "a.png"
    path.write_bytes(path.read_bytes()[:-30] if damage is None else damage)
    with pytest.raises(DataError, match=r"train/sad/a\.png is no readable picture"):
        load_faces(folder)
    assert not list(cache.glob("*.npz"))


def test_a_folder_without_a_split_or_pictures(folder, tmp_path):
    (folder / "test").rename(tmp_path / "test")
    with pytest.raises(DataError, match="no test rows"):
        load_faces(folder)
    (tmp_path / "empty" / "train" / "sad").mkdir(parents=True)
    with pytest.raises(DataError, match="no pictures"):
        load_faces(tmp_path / "empty")


def test_linked_folders_are_followed(folder, tmp_path):
    (folder / "train" / "sad").rename(tmp_path / "elsewhere")
    (folder / "train" / "sad").symlink_to(tmp_path / "elsewhere")
    assert without_validation(load_faces(folder)) == EXPECTED


def test_split_folders_in_two_places_are_refused(folder):
    put(folder / "copy" / "train" / "sad" / "a.png", 40)
    with pytest.raises(DataError, match=r"more than one place \(\., copy\)"):
        load_faces(folder)
