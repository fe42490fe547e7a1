"""The dense head: what it computes, that it learns, and that it is the same again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import Weights
from fer_fast.errors import FerFastError, ParameterError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import deciding_rows
from fer_fast.graph.head import DenseHead, append_heads
from fer_fast.head.config import HeadConfig
from fer_fast.head.keras_training import _folded, _network
from fer_fast.head.training import (
    LabelledFaces,
    TrainedHead,
    cached_head_model,
    fit_head,
    train_head,
    write_views,
)
from fer_fast.head.views import Movement, training_views
from fer_fast.progress import SILENT
from fer_fast.runtime.session import Session, open_session

QUICK = HeadConfig(
    channels=576,
    units=(24, 16, 12),
    dropout=(0.0, 0.1, 0.1),
    moved_copies=1,
    epochs=12,
    batch_size=16,
    members=2,
)


@pytest.fixture(scope="module")
def backbone(random_weights: Weights, shared_cache: Path) -> Path:
    config = BackboneConfig(size=64, taps=("block_13_expand_relu",), pooling="2x2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_FAST_CACHE", str(shared_cache))
        return cached_model(random_weights, config)


@pytest.fixture(scope="module")
def session(backbone: Path) -> Session:
    return open_session(backbone, "cpu")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def dataset() -> FaceDataset:
    """Return faces whose label is how bright their upper half is against their lower half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 300).astype(np.uint8)
    pixels = rng.integers(0, 40, (300, 48, 48)).astype(np.uint8)
    pixels[:, :24] += (labels * 30)[:, None, None]
    splits = np.repeat([Split.TRAINING, Split.PUBLIC_TEST, Split.PRIVATE_TEST], [200, 50, 50])
    return FaceDataset(pixels, labels, splits.astype(np.uint8), "stripes")


def train(session: Session, dataset: FaceDataset) -> TrainedHead:
    faces = [
        LabelledFaces.of(dataset, rows)
        for rows in (dataset.rows(Split.TRAINING), deciding_rows(dataset))
    ]
    return train_head(session, *faces, QUICK)


@pytest.fixture(scope="module")
def head(
    session: Session, dataset: FaceDataset, tmp_path_factory: pytest.TempPathFactory
) -> TrainedHead:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_FAST_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train(session, dataset)


def same_weights(head: TrainedHead, other: TrainedHead) -> bool:
    return all(
        np.array_equal(mine, theirs)
        for one, another in zip(head.members, other.members, strict=True)
        for layer, other_layer in zip(one.layers, another.layers, strict=True)
        for mine, theirs in zip(layer, other_layer, strict=True)
    )


def _in_numpy(
    session: Session, head: TrainedHead, pixels: NDArray[np.uint8]
) -> NDArray[np.floating[Any]]:
    both = [head.activations(session.features(p)) for p in (pixels, pixels[:, :, ::-1].copy())]
    return np.mean(both, axis=0)


def test_the_file_computes_the_mean_over_the_face_and_its_mirror_image(
    session: Session, backbone: Path, head: TrainedHead, dataset: FaceDataset, tmp_path: Path
) -> None:
    out = tmp_path / "with_head.onnx"
    out.write_bytes(append_heads(backbone, head.members))
    onnx.checker.check_model(onnx.load(out), full_check=True)
    runtime = onnxruntime.InferenceSession(out)
    expected = _in_numpy(session, head, dataset.pixels)
    for rows in (slice(0, 1), slice(0, 7), slice(None)):
        (features,) = runtime.run(["features"], {"pixels": dataset.pixels[rows]})
        np.testing.assert_allclose(features, expected[rows], rtol=1e-3, atol=1e-4)
    assert runtime.get_outputs()[0].shape == ["n", 24]
    # The tolerance means something, and a mirrored face is the same face.
    assert expected.max() > 0.1
    (mirrored,) = runtime.run(["features"], {"pixels": dataset.pixels[:, :, ::-1].copy()})
    np.testing.assert_allclose(mirrored, expected, rtol=1e-3, atol=1e-4)


def test_the_accuracy_said_leaves_out_faces_that_stand_in_training(
    session: Session, backbone: Path, dataset: FaceDataset, recorder: Any
) -> None:
    # Wrong labels for a hundred copies: counted, they would spoil it.
    copies = dataset.rows(Split.TRAINING)[:100]
    misleading = replace(
        dataset,
        pixels=np.concatenate([dataset.pixels, dataset.pixels[copies]]),
        labels=np.concatenate([dataset.labels, (dataset.labels[copies] + 3) % 7]),
        splits=np.concatenate([dataset.splits, np.full(100, Split.PUBLIC_TEST, np.uint8)]),
    )
    one = replace(QUICK, members=1)
    for faces in (dataset, misleading):
        cached_head_model(backbone, session, faces, one, reporter=recorder)
    first, second = (note for note in recorder.notes if "accuracy" in note)
    assert first == second


def test_members_are_heads_of_seeds_of_their_own_whose_logits_are_averaged(
    session: Session, dataset: FaceDataset, head: TrainedHead, tmp_path: Path
) -> None:
    training, deciding = (
        LabelledFaces.of(dataset, rows)
        for rows in (dataset.rows(Split.TRAINING), deciding_rows(dataset))
    )
    write_views(tmp_path, session, training, deciding, QUICK)
    alone = [fit_head(tmp_path, replace(QUICK, members=1, seed=seed)) for seed in (0, 1)]
    for member, one in enumerate(alone):
        assert same_weights(one, replace(head, members=head.members[member : member + 1]))
    assert not same_weights(*alone)
    X = session.features(dataset.pixels)
    logits = [one.activations(X) @ one.answer[0] + one.answer[1] for one in (head, *alone)]
    np.testing.assert_allclose(logits[0], (logits[1] + logits[2]) / 2, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("channels", [24, 6])
def test_what_is_left_of_the_network_computes_what_the_network_did(channels: int) -> None:
    import keras

    config = HeadConfig(channels=channels, units=(8, 7, 5), dropout=(0.1, 0.2, 0.3))
    rng = np.random.default_rng(1)
    X = rng.normal(3, 2, (50, 24)).astype(np.float32)
    mean, deviation = rng.uniform(1, 4, (2, channels)).astype(np.float32)
    network = _network(config, 24 // len(mean), len(mean), 7)
    network.set_weights(
        [
            rng.uniform(0.2, 1, w.shape) * w.shape[0] ** -0.5 - 0.1 * (w.ndim > 1)
            for w in network.get_weights()
        ]
    )
    last_rectifier = network.layers[-3]
    reference = keras.Model(network.inputs, [last_rectifier.output, *network.outputs])
    expected, probabilities = reference.predict(
        (X.reshape(50, -1, len(mean)) - mean) / deviation, verbose=0
    )
    *layers, (weights, bias) = _folded(network, mean, deviation)
    activations = DenseHead(tuple(layers)).activations(X)
    np.testing.assert_allclose(activations, expected, rtol=1e-4, atol=1e-4)
    powers = np.exp(activations @ weights + bias)
    said = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said, probabilities, rtol=1e-3, atol=1e-5)
    assert min(expected.std(), probabilities.std()) > 0.01


def test_its_activations_tell_the_labels_of_unseen_faces_far_better_than_chance(
    session: Session, head: TrainedHead, dataset: FaceDataset
) -> None:
    activations = _in_numpy(session, head, dataset.pixels)
    train, test = dataset.rows(Split.TRAINING), dataset.rows(Split.PRIVATE_TEST)
    centres = np.stack([activations[train][dataset.labels[train] == c].mean(0) for c in range(7)])
    distances = np.linalg.norm(activations[test][:, None] - centres, axis=2)
    right = int((distances.argmin(axis=1) == dataset.labels[test]).sum())
    assert binomtest(right, len(test), 1 / 7, alternative="greater").pvalue < 1e-4


def test_the_same_seed_gives_the_same_head_and_only_training_faces_have_part_in_it(
    session: Session, head: TrainedHead, dataset: FaceDataset
) -> None:
    others = dataset.splits != Split.TRAINING
    labels, pixels = dataset.labels.copy(), dataset.pixels.copy()
    labels[others], pixels[others] = 0, 0
    assert same_weights(
        train(session, FaceDataset(pixels, labels, dataset.splits, "blanked")), head
    )


LAST_EPOCH = """
import json
import numpy as np
from fer_fast.head.config import HeadConfig
from fer_fast.head.keras_training import _fit

rng = np.random.default_rng(0)
labels = rng.integers(0, 3, 120)
X = (rng.normal(size=(120, 12)) + 1.2 * np.eye(3, 12)[labels]).astype(np.float16)
y = np.eye(3, dtype=np.float32)[labels]
# Steps so long that epochs differ, and the last is not the best.
config = HeadConfig(channels=12, units=(6,), dropout=(0.5,), epochs=12, batch_size=16,
                    learning_rate=0.5, moved_copies=0)
training, validation = ([X[:80]], y[:80]), (X[80:], y[80:])
model = _fit(config, training, validation, np.zeros(12, np.float32), np.ones(12, np.float32))
cells = validation[0].astype(np.float32)[:, None, :]
said = model.predict(cells, verbose=0).argmax(axis=1)
print(json.dumps({"returned": float((said == labels[80:]).mean())}))
"""


def test_the_head_returned_is_that_of_the_last_epoch(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LAST_EPOCH],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    *epochs, last = (json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{")
    accuracies = [epoch["accuracy"] for epoch in epochs]
    assert len(accuracies) == 12
    assert max(accuracies) > accuracies[-1], "the best epoch is the last: this would say nothing"
    assert last["returned"] == pytest.approx(accuracies[-1])


def test_a_head_learns_shares_of_votes(tmp_path: Path, recorder: Any) -> None:
    # A feature for each class; the votes are what the features leave open.
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 600)
    shares = np.array([[0.7, 0.3, 0], [0.2, 0.8, 0], [0, 0.1, 0.9]], np.float32)[labels]
    X = (np.eye(3)[labels] + rng.normal(0, 0.02, (600, 3))).astype(np.float16)
    for name, rows in (("view-0", slice(500)), ("validation", slice(500, None))):
        np.save(tmp_path / f"{name}.npy", X[rows])
    np.save(tmp_path / "targets.npy", shares[:500])
    np.save(tmp_path / "validation_targets.npy", shares[500:])
    config = HeadConfig(
        channels=3,
        units=(16,),
        dropout=(0.0,),
        epochs=30,
        label_smoothing=0,
        batch_size=20,
    )
    trained = fit_head(tmp_path, config, reporter=recorder)
    weights, bias = trained.answer
    powers = np.exp(trained.activations(X[500:].astype(np.float32)) @ weights + bias)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), shares[500:], atol=0.06)
    assert recorder.steps == 30


def test_a_head_is_trained_once_and_leaves_nothing_but_the_model(
    session: Session, backbone: Path, dataset: FaceDataset
) -> None:
    notes: list[str] = []

    class Recorder:
        def note(self, message: str) -> None:
            notes.append(message)

        warn = note

        def task(self, *_: object) -> Any:
            return SILENT.task("", 1)

    short = HeadConfig(channels=576, units=(8,), dropout=(0.5,), moved_copies=0, epochs=1)
    first = cached_head_model(backbone, session, dataset, short, reporter=Recorder())
    assert cached_head_model(backbone, session, dataset, short, reporter=Recorder()) == first
    assert ["from the cache" in note for note in notes] == [False, True]
    # The features to train on, which are large, are not left behind.
    assert {path.suffix for path in first.parent.parent.rglob("*") if path.is_file()} == {
        ".onnx",
        ".sha256",
    }


def test_a_failed_training_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FerFastError) as failed:
        fit_head(tmp_path, QUICK)
    assert re.fullmatch(r"training the head failed \(FileNotFoundError: .*", str(failed.value))


def test_views_show_the_same_face_a_little_differently() -> None:
    rows, columns = np.mgrid[:48, :48]
    # A bright spot above the centre of a dark face.
    spot = 255 * np.exp(-((rows - 16) ** 2 + (columns - 24) ** 2) / 40)
    pixels = np.stack([spot] * 60).astype(np.uint8)
    face, mirrored, *moved = training_views(pixels, moved_copies=3, seed=0)
    np.testing.assert_array_equal(face, pixels)
    np.testing.assert_array_equal(mirrored, pixels[:, :, ::-1])
    assert len(moved) == 3
    for view in moved:
        assert (view.shape, view.dtype, view.flags.c_contiguous) == ((60, 48, 48), np.uint8, True)
        brightness = view.sum(axis=(1, 2), dtype=float)
        centres = np.array(
            [(view * axis).sum(axis=(1, 2)) / brightness for axis in (rows, columns)]
        )
        # Four pixels of shift, and what 12 degrees and 12 % do to eight pixels from the centre.
        offsets = np.abs(centres - np.array([[16.0], [24.0]]))
        assert offsets.max() < 7.5
        assert offsets.std(axis=1).min() > 0.5
    again = list(training_views(pixels, moved_copies=3, seed=0))
    np.testing.assert_array_equal(moved[2], again[4])


def test_a_movement_bounds_how_far_copies_differ() -> None:
    rows, columns = np.mgrid[:48, :48]
    disc = 255 * (np.hypot(rows - 23.5, columns - 23.5) < 8)
    pixels = np.stack([disc] * 100).astype(np.uint8)
    still = Movement(degrees=0, factor=1, pixels=0)
    _, _, moved = training_views(pixels, 1, 0, still)
    np.testing.assert_allclose(moved.astype(int), pixels, atol=1)
    _, _, scaled = training_views(pixels, 1, 0, Movement(degrees=0, factor=1.3, pixels=0))
    factors = np.sqrt(scaled.sum(axis=(1, 2)) / disc.sum())
    assert 1 / 1.33 < factors.min() < 0.85
    assert 1.2 < factors.max() < 1.33


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 0},
        {"units": ()},
        {"units": (0,)},
        {"epochs": 0},
        {"moved_copies": -1},
        {"members": 0},
        {"dropout": (0.1, 1.0, 0.1)},
        {"dropout": (0.1,)},
        {"label_smoothing": float("nan")},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="the head's"):
        HeadConfig(**{"channels": 576} | wrong)
