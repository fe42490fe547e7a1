"""What a path is taken for, what the cache does, and what becomes of damaged files."""

import gzip
import io
import os
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fer_fast.errors import DataError, OutputError, ParameterError
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import save_npz


def zipped(**files: str | bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


@pytest.mark.parametrize("kind", ["csv", "CSV", "csv.gz", "zip", "icml csv", "npz"])
def test_every_kind_of_file_gives_the_same_faces(tmp_path, faces, heard, kind, as_csv):
    path = tmp_path / f"faces.{kind.split()[-1]}"
    icml = kind.startswith("icml")
    text = as_csv(
        faces, ("emotion", " Usage", " pixels") if icml else ("emotion", "pixels", "Usage")
    )
    if kind == "npz":
        save_npz(faces, path)
    else:
        pack = {"csv.gz": lambda t: gzip.compress(t.encode()), "zip": lambda t: zipped(a__csv=t)}
        path.write_bytes(pack.get(kind, str.encode)(text))
    loaded = load_faces(path, reporter=heard)
    assert loaded.digest == faces.digest
    assert not loaded.synthetic
    assert str(path) in loaded.source
    assert all(done == total for total, done in heard.steps)
    assert load_faces(str(path)).digest == faces.digest


def test_a_zip_of_many_tables_gives_the_one_with_a_known_name(tmp_path, faces, as_csv):
    path = tmp_path / "kaggle.zip"
    text = as_csv(faces)
    path.write_bytes(zipped(train__csv="emotion,pixels\n", icml_face_data__csv=text))
    assert load_faces(path).digest == faces.digest
    path.write_bytes(zipped(a__csv=text, b__csv=text))
    with pytest.raises(DataError, match=r"more than one table \(a.csv, b.csv\)"):
        load_faces(path)


def test_the_second_reading_comes_from_the_cache(tmp_path, faces, heard, cache, as_csv):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    first = load_faces(path)
    second = load_faces(path, reporter=heard)
    assert second.digest == first.digest
    assert second.source == first.source
    assert not heard.steps
    assert "from the cache" in heard.notes[0]
    assert len(list(cache.glob("*.npz"))) == 1


def test_a_changed_file_is_read_anew(tmp_path, faces, as_csv):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    load_faces(path)
    changed = replace(faces, labels=(faces.labels + 1).astype(np.uint8) % 7)
    path.write_text(as_csv(changed))
    assert load_faces(path).digest == changed.digest


@pytest.mark.parametrize("damage", ["empty", "truncated", "changed", "other"])
def test_a_damaged_cache_is_announced_and_rebuilt(tmp_path, faces, heard, cache, damage, as_csv):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    load_faces(path)
    (cached,) = cache.glob("*.npz")
    whole = cached.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    contents = {"empty": b"", "truncated": whole[:-100], "changed": flipped, "other": b"other"}
    cached.write_bytes(contents[damage])
    assert load_faces(path, reporter=heard).digest == faces.digest
    assert "damaged or unfinished" in heard.warnings[0]
    assert cached.read_bytes() == whole


def test_a_cached_copy_that_went_bad_under_its_seal_costs_no_run(
    tmp_path, faces, heard, cache, as_csv
):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    load_faces(path)
    (cached,) = cache.glob("*.npz")
    whole, status = cached.read_bytes(), cached.stat()
    middle = len(whole) // 2
    cached.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    os.utime(cached, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load_faces(path, reporter=heard).digest == faces.digest
    assert "cannot be used" in heard.warnings[0]


@pytest.mark.parametrize("step", range(0, 100, 7))
def test_a_truncated_gzip_or_zip_is_refused_wherever_it_ends(tmp_path, faces, cache, step, as_csv):
    text = as_csv(faces)
    for name, whole in (("f.csv.gz", gzip.compress(text.encode())), ("f.zip", zipped(f__csv=text))):
        path = tmp_path / name
        path.write_bytes(whole[: len(whole) * step // 100])
        with pytest.raises(DataError, match=str(path)):
            load_faces(path)
    assert not list(cache.glob("*.npz"))


def test_a_gzip_that_was_unpacked_on_the_way_is_read_and_a_changed_one_refused(
    tmp_path, faces, as_csv
):
    path = tmp_path / "faces.csv.gz"
    path.write_text(as_csv(faces))
    assert load_faces(path).digest == faces.digest
    packed = bytearray(gzip.compress(as_csv(faces).encode()))
    packed[-5] ^= 1
    path.write_bytes(packed)
    with pytest.raises(DataError, match="damaged"):
        load_faces(path)


def test_an_encrypted_zip_is_refused(tmp_path, faces, as_csv):
    packed = bytearray(zipped(a__csv=as_csv(faces)))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    path = tmp_path / "faces.zip"
    path.write_bytes(packed)
    with pytest.raises(DataError, match=r"a\.csv encrypted"):
        load_faces(path)


def test_paths_that_are_no_data_set_are_refused(tmp_path):
    for name in ("absent", "absent.csv", "absent.zip", "absent.npz", "absent/absent.csv"):
        with pytest.raises(DataError, match=f"no file or folder .*{name}"):
            load_faces(tmp_path / name)
    (tmp_path / "notes.txt").write_text("emotion,pixels,Usage")
    with pytest.raises(DataError, match=r"notes\.txt is of no known kind"):
        load_faces(tmp_path / "notes.txt")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*folder\.npz"):
        load_faces(tmp_path / "folder.npz")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        load_faces(tmp_path / "folder.csv")


def test_a_forbidden_file_is_refused(tmp_path, faces, as_csv):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything
            os.seteuid(65534)
        with pytest.raises(DataError, match="Permission denied"):
            load_faces(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pixels": np.zeros((2, 48, 48), np.uint8)}, "lacks one of the arrays"),
        ({"pixels": np.zeros((2, 48, 48))}, "shapes"),
        ({"pixels": np.zeros((2, 47, 48), np.uint8)}, "shapes"),
        ({"labels": np.zeros(3, np.uint8)}, "shapes"),
        ({"labels": np.uint8(3)}, "shapes"),
        ({"labels": np.array([0, 7], np.uint8)}, "label above 6"),
        ({"splits": np.array([0, 3], np.uint8)}, "split above 2"),
        ({"labels": np.array([{}, {}])}, "damaged"),
    ],
)
def test_an_npz_of_something_else_is_refused(tmp_path, arrays, words):
    path = tmp_path / "faces.npz"
    good = {
        "pixels": np.zeros((2, 48, 48), np.uint8),
        "labels": np.zeros(2, np.uint8),
        "splits": np.array([0, 2], np.uint8),
    }
    np.savez(path, **(arrays if words.startswith("lacks") else good | arrays))
    with pytest.raises(DataError, match=words):
        load_faces(path)


def test_no_changed_bit_of_an_npz_goes_unnoticed(tmp_path, faces):
    path = tmp_path / "faces.npz"
    few = {name: getattr(faces, name)[::20] for name in ("pixels", "labels", "splits")}
    save_npz(replace(faces, **few), path)
    digest = load_faces(path).digest
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), 300, replace=False):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            assert load_faces(path).digest == digest
        except DataError:
            continue


def test_a_split_that_is_missing(tmp_path, faces, heard):
    path = tmp_path / "faces.npz"
    for split, words in ((0, "no training rows"), (2, "no test rows")):
        save_npz(replace(faces, splits=np.where(faces.splits == split, 1, faces.splits)), path)
        with pytest.raises(DataError, match=words):
            load_faces(path)
    save_npz(replace(faces, splits=np.where(faces.splits == 1, 0, faces.splits)), path)
    loaded = load_faces(path, reporter=heard)
    assert np.array_equal(loaded.splits == 2, faces.splits == 2)
    validation = np.count_nonzero(loaded.splits == 1)
    assert 0 < validation < 10
    assert f"{validation} of 40 training faces" in heard.notes[-1]


def test_a_cache_that_cannot_be_written_costs_no_more_than_a_warning(
    tmp_path, faces, monkeypatch, as_csv, heard
):
    path = tmp_path / "faces.csv"
    path.write_text(as_csv(faces))
    monkeypatch.setenv("FER_FAST_CACHE", str(path / "below a file"))
    assert load_faces(path, reporter=heard).digest == faces.digest
    assert "name another cache with FER_FAST_CACHE" in heard.warnings[0]


def test_an_interrupt_comes_through_and_leaves_nothing(
    tmp_path, faces, heard, cache, monkeypatch, as_csv
):
    path = tmp_path / "faces.csv"
    # No other test may have read the same.
    path.write_text(as_csv(replace(faces, labels=faces.labels[::-1])))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(heard, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_faces(path, reporter=heard)
    assert not list(cache.glob("*.npz"))


def test_no_path_gives_the_synthetic_default_and_says_so(heard):
    assert load_faces(None, reporter=heard).synthetic
    (warning,) = heard.warnings
    assert "synthetic" in warning
    assert "says nothing about FER-2013" in warning


@pytest.mark.parametrize("name", ["", "fer\0.csv"])
def test_what_is_no_path_is_refused(name):
    with pytest.raises(ParameterError, match="is no path: name a file or folder"):
        load_faces(name)


def test_an_address_is_to_be_downloaded():
    with pytest.raises(DataError, match="download it, and give the file"):
        load_faces("https://example.org/fer2013.csv")


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch, faces, as_csv):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "fer2013.csv").write_text(as_csv(faces))
    assert load_faces("~/fer2013.csv").digest == faces.digest


@pytest.mark.parametrize("kind", ["csv", "tar of pictures"])
def test_many_faces_are_mapped_from_the_cache_and_leave_no_other_file(
    tmp_path, faces, cache, monkeypatch, as_csv, heard, kind
):
    # No other test may have read the same.
    faces = replace(faces, pixels=faces.pixels[::-1])
    path = tmp_path / "faces.csv"
    if kind == "csv":
        path.write_text(as_csv(faces))
    else:
        path = tmp_path / "faces.tar"
        with tarfile.open(path, "w") as archive:
            # Not in the order of their paths, in which the faces are.
            for number in np.random.default_rng(1).permutation(len(faces)):
                split = ("train", "val", "test")[faces.splits[number]]
                label = faces.class_names[faces.labels[number]]
                content = io.BytesIO()
                Image.fromarray(faces.pixels[number]).save(content, "png")
                info = tarfile.TarInfo(f"{split}/{label}/{number:02}.png")
                info.size = len(content.getvalue())
                content.seek(0)
                archive.addfile(info, content)
    with monkeypatch.context() as few:
        few.setattr("fer_fast.storage.spool.MAPPED_BYTES", 10_000)
        few.setattr("fer_fast.storage.npz.MAPPED_BYTES", 10_000)
        many = load_faces(path, reporter=heard)
    assert isinstance(many.pixels, np.memmap)
    assert heard.notes[-1] == f"{path}: 60 faces read"
    assert [one for one in cache.glob("*") if one.suffix == ".npz"] == [many.pixels.filename]
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "another"))
    in_memory = load_faces(path)
    assert not isinstance(in_memory.pixels, np.memmap)
    assert many.digest == in_memory.digest


def test_many_faces_without_room_for_them_are_one_sentence(tmp_path, faces, monkeypatch, as_csv):
    resource = pytest.importorskip("resource", reason="no limit on the size of files")
    path = tmp_path / "faces.csv"
    # No other test may have read the same.
    path.write_text(as_csv(replace(faces, pixels=255 - faces.pixels)))
    monkeypatch.setattr("fer_fast.storage.spool.MAPPED_BYTES", 10_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            load_faces(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
