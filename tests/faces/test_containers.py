"""Folders and archives as people have them: what is read, what is left out, and who hears of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.labels import FER2013
from fer_fast.faces.loading import load_faces


def put(path: Path, tone: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48), tone).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of 28 pictures, two of each label in train and in test."""
    for split, base in (("train", 0), ("test", 100)):
        for code, label in enumerate(FER2013.names):
            for copy in range(2):
                put(tmp_path / "faces" / split / label / f"{copy}.png", base + 2 * code + copy)
    return tmp_path / "faces"


def tar_of(folder: Path, mode: str, path: Path) -> Path:
    with tarfile.open(path, mode) as archive:
        archive.add(folder, folder.name)
    return path


def zip_of(folder: Path, path: Path, separator: str = "/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                name = str(file.relative_to(folder.parent)).replace("/", separator)
                info = zipfile.ZipInfo(name)
                archive.writestr(info, file.read_bytes())
    return path


@pytest.mark.parametrize("suffix", ["tar.gz", "tgz", "tar", "tar.bz2", "tar.xz", "csv", ""])
def test_the_original_download_is_read_under_any_name(
    tmp_path: Path, faces: FaceDataset, as_csv: Callable[..., str], suffix: str
) -> None:
    download = tmp_path / "download" / "fer2013"
    download.mkdir(parents=True)
    (download / "fer2013.csv").write_text(as_csv(faces))
    (download / "README").write_text("The columns are emotion, pixels, Usage")
    (download / "fer2013.bib").write_text("@inproceedings{}")
    packing = suffix.rpartition(".")[2]
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(packing, "w")
    path = tar_of(download, mode, tmp_path / f"fer2013.{suffix}".rstrip("."))
    assert load_faces(path).digest == faces.digest


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, gzip.compress, bytes])
def test_a_packed_table_is_known_by_its_content(
    tmp_path: Path, faces: FaceDataset, as_csv: Callable[..., str], pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "fer2013"
    path.write_bytes(pack(as_csv(faces).encode()))
    assert load_faces(path).digest == faces.digest


def test_a_folder_that_holds_the_table_is_that_table(
    tmp_path: Path, faces: FaceDataset, as_csv: Callable[..., str]
) -> None:
    kaggle = tmp_path / "kaggle"
    (kaggle / "inside").mkdir(parents=True)
    (kaggle / "train.csv").write_text("emotion,pixels\n3,1 2 3\n")
    (kaggle / "example_submission.csv").write_text("id,emotion\n")
    (kaggle / "inside" / "faces.csv").write_text(as_csv(faces))
    assert load_faces(kaggle).digest == faces.digest
    (kaggle / "copy.csv").write_text(as_csv(faces))
    with pytest.raises(DataError, match=r"more than one table \(copy\.csv, inside/faces\.csv\)"):
        load_faces(kaggle)
    (kaggle / "copy.csv").rename(kaggle / "FER2013.csv")
    assert load_faces(kaggle).digest == faces.digest


@pytest.mark.parametrize("name", ["fer2013.tar.gz", "archive.zip", "fer2013.csv.gz", "faces.npz"])
def test_what_is_packed_inside_is_named(tmp_path: Path, name: str) -> None:
    kaggle = tmp_path / "kaggle"
    kaggle.mkdir()
    (kaggle / name).write_bytes(b"\x1f\x8b")
    (kaggle / "README").touch()
    for path in (kaggle, zip_of(kaggle, tmp_path / "kaggle.zip")):
        with pytest.raises(DataError, match=rf"if (kaggle/)?{name} holds them, give that"):
            load_faces(path)


def test_a_table_beside_the_pictures_changes_nothing(folder: Path, tmp_path: Path) -> None:
    expected = load_faces(folder).digest
    (folder / "labels.csv").write_text("filename,label\n0.png,sad\n")
    assert load_faces(folder).digest == expected
    assert load_faces(zip_of(folder, tmp_path / "faces.zip")).digest == expected
    assert load_faces(tar_of(folder, "w:gz", tmp_path / "faces.tar.gz")).digest == expected
    assert load_faces(zip_of(folder, tmp_path / "windows.zip", "\\")).digest == expected


def test_a_table_that_is_not_read_for_the_pictures_sake_is_named(
    folder: Path, faces: FaceDataset, as_csv: Callable[..., str], heard
) -> None:
    expected = load_faces(folder).digest
    (folder / "fer2013.csv").write_text(as_csv(faces))
    assert load_faces(folder, reporter=heard).digest == expected
    assert any("not fer2013.csv" in note for note in heard.notes)


def test_ferplus_own_layout_is_named(tmp_path: Path) -> None:
    for part in ("Train", "Valid", "Test"):
        put(tmp_path / "data" / f"FER2013{part}" / "fer0000000.png", 3)
        (tmp_path / "data" / f"FER2013{part}" / "label.csv").write_text("fer0000000.png,1,0,0\n")
    for path in (tmp_path / "data", zip_of(tmp_path / "data", tmp_path / "data.zip")):
        with pytest.raises(DataError, match=r"laid out as FER.*--labels ferplus="):
            load_faces(path)


def test_only_pictures_that_are_read_are_opened(folder: Path, heard) -> None:
    load_faces(folder)
    # A read would never end, and another file must not make the pictures others.
    os.mkfifo(folder / "model.ckpt")
    os.mkfifo(folder / "train" / "log.txt")
    (folder / "huge.bin").touch()
    os.truncate(folder / "huge.bin", 1 << 42)
    load_faces(folder, reporter=heard)
    assert any("from the cache" in note for note in heard.notes)


@pytest.mark.parametrize("name", [".Trash-0", "lost+found", "System Volume Information", "@eaDir"])
def test_foreign_and_hidden_folders_are_not_entered(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, heard
) -> None:
    expected = load_faces(folder).digest
    for parent in (folder, folder / "train", folder / "train" / "sad"):
        put(parent / name / "train" / "sad" / "9.png", 9)
    scanned, scan = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(Path(path).name) or scan(path))
    assert load_faces(folder, reporter=heard).digest == expected
    assert name not in scanned
    assert not heard.warnings


def without_permission(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid a folder, to the superuser as well."""
    scan = os.scandir

    def refuse(other: Path) -> object:
        if Path(other) == path:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(other)

    monkeypatch.setattr(os, "scandir", refuse)


def test_a_folder_that_cannot_be_opened_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, heard
) -> None:
    expected = load_faces(folder).digest
    (folder / "private").mkdir()
    without_permission(folder / "private", monkeypatch)
    assert load_faces(folder, reporter=heard).digest == expected
    assert "private cannot be opened (Permission denied)" in heard.warnings[0]
    for needed in ("train", "test/happy"):
        without_permission(folder / needed, monkeypatch)
        with pytest.raises(DataError, match=f"{needed} cannot be opened"):
            load_faces(folder)


@pytest.mark.parametrize("link", ["train/happy/9.png", "train/happy", "train", "test/new"])
def test_links_that_lead_nowhere_are_counted(folder: Path, link: str, tmp_path: Path) -> None:
    path = folder / link
    if path.exists():
        path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=rf"1 entries .* links that lead nowhere \({link}\)"):
        load_faces(folder)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(DataError, match=rf"links that lead nowhere \({link}\)"):
        load_faces(folder)


def test_links_that_lead_back_are_followed_once(folder: Path) -> None:
    expected = load_faces(folder)
    (folder / "loop").symlink_to(folder)
    (folder / "train" / "sad" / "up").symlink_to(folder)
    (folder / "current").symlink_to(folder)
    found = load_faces(folder)
    assert found.digest == expected.digest


def test_a_folder_linked_under_a_label_is_read_though_it_stands_elsewhere_too(
    folder: Path,
) -> None:
    expected = load_faces(folder).digest
    (folder / "all").mkdir()
    (folder / "train" / "sad").rename(folder / "all" / "sad")
    (folder / "train" / "sad").symlink_to("../all/sad")
    assert load_faces(folder).digest == expected


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_linked_folder_inside_an_archive_is_refused(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"faces.{kind}"
    if kind == "tar":
        (folder / "train" / "sad").rename(folder / "sad")
        (folder / "train" / "sad").symlink_to("../sad")
        tar_of(folder, "w", path)
    else:
        zip_of(folder, path)
        link = zipfile.ZipInfo("faces/train/bored")
        link.external_attr = 0o120777 << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(link, "../sad")
    with pytest.raises(DataError, match="in place of a folder"):
        load_faces(path)


def test_hard_links_inside_a_tar_are_pictures(folder: Path, tmp_path: Path) -> None:
    (folder / "train" / "sad" / "2.png").hardlink_to(folder / "train" / "sad" / "0.png")
    expected = load_faces(folder)
    found = load_faces(tar_of(folder, "w:gz", tmp_path / "faces.tgz"))
    assert len(found) == 29
    assert found.digest == expected.digest


@pytest.mark.parametrize("packing", ["", ":gz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_tar_that_was_cut_short_or_changed_is_refused(
    folder: Path, tmp_path: Path, packing: str, share: float
) -> None:
    path = tar_of(folder, f"w{packing}", tmp_path / "faces.tar")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=str(path)):
        load_faces(path)
    if not packing:
        # A header in the middle that is none: what follows it must not be dropped.
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            members = archive.getmembers()
        changed = bytearray(whole)
        changed[members[int(len(members) * share)].offset + 150] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DataError, match="truncated or damaged"):
            load_faces(path)


def test_files_that_are_no_pictures_are_counted(folder: Path, heard) -> None:
    (folder / "train" / "sad" / "a.heic").touch()
    (folder / "train" / "sad" / "b.heic").touch()
    (folder / "train" / "sad" / "notes").touch()
    (folder / "train" / "sad" / "Thumbs.db").touch()
    load_faces(folder, reporter=heard)
    assert "3 files in the label folders" in heard.warnings[0]
    assert "(.heic, no suffix)" in heard.warnings[0]


@pytest.mark.parametrize("suffix", ["bmp", "gif", "tif", "webp", "pgm", "jpeg", "JFIF"])
def test_pictures_of_every_format_are_read(folder: Path, suffix: str) -> None:
    path = folder / "test" / "sad" / f"9.{suffix}"
    kind = {"jfif": "JPEG"}.get(suffix.lower())
    Image.new("L", (48, 48), 200).save(path, kind)
    assert len(load_faces(folder)) == 29


def test_validation_in_place_of_test_is_told_before_pictures_are_read(folder: Path) -> None:
    (folder / "test").rename(folder / "validation")
    (folder / "train" / "sad" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no test rows: rename its validation folder to test"):
        load_faces(folder)
    (folder / "train").rename(folder / "test")
    with pytest.raises(DataError, match="no training rows"):
        load_faces(folder)


def test_one_face_of_each_class_is_too_few(folder: Path) -> None:
    for label in FER2013.names:
        (folder / "train" / label / "1.png").unlink()
    with pytest.raises(DataError, match="too few training faces"):
        load_faces(folder)
    put(folder / "train" / "sad" / "1.png", 99)
    assert len(load_faces(folder).rows(Split.PUBLIC_TEST)) == 1


def test_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        load_faces(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="no pictures in train/<label>/"):
        load_faces(tmp_path)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return small files of every kind that is read."""
    room = tmp_path_factory.mktemp("samples")
    for split in ("train", "test"):
        for tone, label in enumerate(("sad", "happy", "sad", "happy")):
            put(room / "faces" / split / label / f"{tone}.png", tone)
    row = "3," + " ".join(["7"] * 2304)
    text = f"emotion,pixels,Usage\n{row},Training\n{row},PublicTest\n{row},PrivateTest\n".encode()
    arrays = io.BytesIO()
    np.savez(
        arrays,
        pixels=np.zeros((3, 48, 48), np.uint8),
        labels=np.zeros(3, np.uint8),
        splits=np.arange(3, dtype=np.uint8),
        class_names=np.array(["sad", "glad"]),
    )
    return {
        "csv": text,
        "csv.gz": gzip.compress(text),
        "csv.xz": lzma.compress(text),
        "zip": zip_of(room / "faces", room / "a.zip").read_bytes(),
        "tar": tar_of(room / "faces", "w", room / "a.tar").read_bytes(),
        "tar.gz": tar_of(room / "faces", "w:gz", room / "a.tar.gz").read_bytes(),
        "npz": arrays.getvalue(),
    }


def reads_or_refuses(path: Path) -> None:
    with suppress(DataError):
        assert len(load_faces(path)) > 0


KINDS = ("csv", "csv.gz", "csv.xz", "zip", "tar", "tar.gz", "npz")
SLOW = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@SLOW
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_any_change_of_a_file_gives_faces_or_a_sentence(
    tmp_path: Path, samples: dict[str, bytes], kind: str, data: st.DataObject
) -> None:
    content = bytearray(samples[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path / f"faces.{kind}"
    path.write_bytes(content)
    reads_or_refuses(path)


@SLOW
@given(
    kind=st.sampled_from([*KINDS, "txt"]),
    start=st.sampled_from(
        [b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ"]
    ),
    content=st.binary(max_size=700),
)
def test_any_bytes_give_faces_or_a_sentence(
    tmp_path: Path, kind: str, start: bytes, content: bytes
) -> None:
    path = tmp_path / f"faces.{kind}"
    path.write_bytes(start + content)
    reads_or_refuses(path)


def test_an_entry_without_a_name_is_passed_over(tmp_path: Path, folder: Path) -> None:
    content = bytearray(zip_of(folder, tmp_path / "whole.zip").read_bytes())
    # Its directory says that the first name has no letters.
    entry = content.index(b"PK\x01\x02")
    length = int.from_bytes(content[entry + 28 : entry + 30], "little")
    content[entry + 28 : entry + 30] = b"\0\0"
    del content[entry + 46 : entry + 46 + length]
    end = content.index(b"PK\x05\x06")
    content[end + 12 : end + 16] = (end - entry).to_bytes(4, "little")
    path = tmp_path / "faces.zip"
    path.write_bytes(content)
    assert len(load_faces(path)) == 27


@pytest.mark.parametrize(("at", "value"), [(6, 99), (9, 8)], ids=["a later version", "no text"])
def test_a_zip_whose_directory_is_damaged_is_refused(
    tmp_path: Path, folder: Path, at: int, value: int
) -> None:
    content = bytearray(zip_of(folder, tmp_path / "whole.zip").read_bytes())
    entry = content.index(b"PK\x01\x02")
    # The version needed, or the flag by which a name is UTF-8, which this one is not then.
    content[entry + at], content[entry + 46] = value, 0x80
    path = tmp_path / "faces.zip"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is truncated or damaged"):
        load_faces(path)
