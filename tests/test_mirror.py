"""Fitting on the mirror images of the Training faces too, and on nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fer_fast.backbone import Weights
from fer_fast.datasets import LABELS, FaceDataset, Split, save_npz
from fer_fast.errors import ParameterError
from fer_fast.evaluation import score
from fer_fast.model import fit_classifier
from fer_fast.pipeline import extract, mirrored_features, run_pipeline
from fer_fast.settings import Settings


@pytest.fixture
def dataset() -> FaceDataset:
    """Return faces in splits that are mixed, so that a split's rows are not a slice."""
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (120, 48, 48)).astype(np.uint8)
    labels = (np.arange(120) % 4).astype(np.uint8)
    splits = rng.permutation(np.repeat(list(Split), [70, 20, 30])).astype(np.uint8)
    return FaceDataset(pixels, labels, splits, "few")


@pytest.fixture
def parameters(
    dataset: FaceDataset, imagenet: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    save_npz(dataset, tmp_path / "few.npz")
    return {
        "data": tmp_path / "few.npz",
        "weights": imagenet.path,
        "size": 32,
        "device": "cpu",
        "balance": "none",
        "ants": 3,
        "iterations": 1,
        "trees": 10,
        "jobs": 1,
    }


@pytest.mark.parametrize("split", Split)
def test_the_mirror_images_of_a_split_keep_its_labels(dataset: FaceDataset, split: Split) -> None:
    mirrored = dataset.mirrored(split)
    rows = dataset.rows(split)
    assert len(mirrored) == len(rows)
    for face, row in zip(mirrored.pixels, rows, strict=True):
        np.testing.assert_array_equal(face, np.fliplr(dataset.pixels[row]))
    np.testing.assert_array_equal(mirrored.labels, dataset.labels[rows])
    assert (mirrored.splits == split).all()
    assert mirrored.pixels.flags.c_contiguous
    assert mirrored.digest != dataset.digest


def test_forests_are_fitted_on_both_and_tested_on_what_they_were(
    dataset: FaceDataset, parameters: dict[str, Any]
) -> None:
    settings = Settings(**parameters, mirror=True)
    result = run_pipeline(settings)
    features = extract(settings)
    training, test = dataset.rows(Split.TRAINING), dataset.rows(Split.PRIVATE_TEST)
    X_mirrored = features.session.features(dataset.pixels[training][:, :, ::-1].copy())
    np.testing.assert_array_equal(mirrored_features(features, settings), X_mirrored)

    y = dataset.labels.astype(np.int64)
    expected = fit_classifier(
        np.vstack([features.X[training], X_mirrored]),
        np.concatenate([y[training], y[training]]),
        result.classifier.subset,
        n_estimators=10,
        random_state=0,
        n_jobs=1,
    )
    X_test = features.X[test]
    np.testing.assert_array_equal(result.classifier.predict(X_test), expected.predict(X_test))
    assert result.evaluation.test == score(y[test], expected.predict(X_test), LABELS)
    assert result.evaluation.test.rows == len(test)
    assert result.dataset.digest == dataset.digest
    for tree in result.classifier.forest.estimators_:
        assert tree.tree_.weighted_n_node_samples[0] == 2 * len(training)
    # Faces, and the mirror images of Training: each once in the cache.
    cache = parameters["data"].parent / "cache" / "features"
    shapes = sorted(np.load(path, mmap_mode="r").shape[0] for path in cache.glob("*.npy"))
    assert shapes == [len(training), len(dataset)]


def test_a_head_that_mirrors_already_refuses_it() -> None:
    with pytest.raises(ParameterError, match="mirror goes without a head, and head is 'dense'"):
        Settings(mirror=True, head="dense")
