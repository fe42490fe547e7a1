"""The file of predictions comes back as it was, or is refused in one sentence."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_fast.errors import DataError
from fer_fast.runs.predictions import TestPredictions, load_predictions, save_predictions


def some(n: int = 50) -> TestPredictions:
    rng = np.random.default_rng(0)
    y, predicted, other = rng.integers(0, 5, (3, n))
    return TestPredictions(
        rows=np.arange(n) * 3,
        y=y,
        shared=rng.random(n) < 0.3,
        predicted=predicted,
        probabilities=rng.random((n, 5)).astype(np.float32),
        baselines={"random": other},
    )


def test_predictions_come_back(tmp_path: Path) -> None:
    path, saved = tmp_path / "predictions.npz", some()
    save_predictions(path, saved, "an-id")
    found = load_predictions(path)
    for name in ("rows", "y", "shared", "predicted", "probabilities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(saved, name))
    np.testing.assert_array_equal(found.baselines["random"], saved.baselines["random"])
    again = tmp_path / "again.npz"
    save_predictions(again, saved, "an-id")
    assert again.read_bytes() == path.read_bytes()


@given(cut=st.integers(0, 2000), noise=st.binary(max_size=8))
def test_a_damaged_file_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "predictions.npz"
    save_predictions(path, some(), "an-id")
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + noise + whole[cut + len(noise) :])
    with suppress(DataError):
        assert len(load_predictions(path).rows) == 50


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("y", np.zeros(3)),
        ("predicted", np.full(50, 9)),
        ("probabilities", np.full((50, 5), np.nan)),
        ("rows", np.zeros((50, 1))),
        ("shared", np.array([{}], object)),
        ("predicted", np.full(50, -1)),
        ("rows", np.full(50, -1)),
        ("probabilities", np.float32(0.5)),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path: Path, name: str, value: object) -> None:
    path = tmp_path / "predictions.npz"
    save_predictions(path, some(), "an-id")
    with np.load(path) as arrays:
        np.savez(path.with_name("other.npz"), **dict(arrays) | {name: value})
    with pytest.raises(DataError, match="cannot read the predictions"):
        load_predictions(path.with_name("other.npz"))


def test_an_archive_that_says_it_is_of_a_later_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    save_predictions(path, some(), "an-id")
    content = bytearray(path.read_bytes())
    # The version that is needed, in the directory's first entry.
    content[content.index(b"PK\x01\x02") + 6] = 99
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot read the predictions"):
        load_predictions(path)


def test_nothing_is_allocated_for_what_an_array_claims_to_be(tmp_path: Path) -> None:
    path = tmp_path / "predictions.npz"
    save_predictions(path, some(), "an-id")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    claimed = {"descr": "<i8", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(header, claimed)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"rows.npy": header.getvalue()}).items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="cannot read the predictions"):
        load_predictions(path)
