"""What the whole run refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_fast.backbone import Weights
from fer_fast.datasets import FaceDataset, Split, save_npz
from fer_fast.errors import DataError
from fer_fast.pipeline import run_pipeline
from fer_fast.settings import Settings


def test_test_faces_that_all_stand_elsewhere_are_refused_before_the_search(
    imagenet: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    pixels = np.random.default_rng(4).integers(0, 256, (40, 48, 48)).astype(np.uint8)
    pixels[30:] = pixels[:10]
    labels = (np.arange(40) % 4).astype(np.uint8)
    splits = np.repeat(list(Split), [20, 10, 10]).astype(np.uint8)
    save_npz(FaceDataset(pixels, labels, splits, "copies"), tmp_path / "copies.npz")
    settings = Settings(
        data=tmp_path / "copies.npz", weights=imagenet.path, size=32, device="cpu", balance="none"
    )
    kept: list[int] = []
    with pytest.raises(DataError, match=r"copies\.npz has no test face"):
        run_pipeline(settings, keep_selection=lambda *_: kept.append(1))
    assert not kept
