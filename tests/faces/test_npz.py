"""Large archives stay in their files, and are checked all the same."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.faces.readers.npz import read_npz, save_npz


@pytest.fixture
def few() -> FaceDataset:
    rng = np.random.default_rng(3)
    labels = (np.arange(30) % 7).astype(np.uint8)
    return FaceDataset(rng.integers(0, 256, (30, 48, 48), np.uint8), labels, labels % 3, "few")


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fer_fast.storage.npz.MAPPED_BYTES", 1000)


def test_large_pixels_are_mapped_and_the_same(few: FaceDataset, tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    save_npz(few, path)
    found = read_npz(path, "faces")
    assert isinstance(found.pixels, np.memmap)
    assert not isinstance(found.labels, np.memmap)
    assert found.digest == few.digest
    np.testing.assert_array_equal(found.pixels, few.pixels)


def test_columns_first_and_compressed_archives_are_read_alike(
    few: FaceDataset, tmp_path: Path
) -> None:
    turned, packed = tmp_path / "turned.npz", tmp_path / "packed.npz"
    arrays = {"labels": few.labels, "splits": few.splits}
    np.savez(turned, pixels=np.asfortranarray(few.pixels), **arrays)
    np.savez_compressed(packed, pixels=few.pixels, **arrays)
    for path in (turned, packed):
        found = read_npz(path, "faces")
        assert isinstance(found.pixels, np.memmap) is (path is turned)
        assert found.digest == few.digest


@pytest.mark.parametrize("where", [0.3, 0.5, 0.8])
def test_a_changed_bit_of_what_would_be_mapped_is_found(
    few: FaceDataset, tmp_path: Path, where: float
) -> None:
    path = tmp_path / "faces.npz"
    save_npz(few, path)
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_npz(path, "faces")


def test_an_array_that_claims_more_than_there_is_is_refused(
    few: FaceDataset, tmp_path: Path
) -> None:
    path, longer = tmp_path / "faces.npz", tmp_path / "longer.npz"
    save_npz(few, path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(longer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "pixels.npy":
                content = content.replace(b"(30, 48, 48)", b"(31, 48, 48)")
            target.writestr(name, content)
    with pytest.raises(DataError, match="damaged"):
        read_npz(longer, "faces")
