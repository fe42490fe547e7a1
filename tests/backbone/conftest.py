"""Weights and models that the backbone's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fer_fast.backbone import BackboneConfig, Weights, cached_model, export_model, resolve_weights
from fer_fast.backbone.architecture import LAYERS
from fer_fast.backbone.weights import write_tensors


@dataclass
class Recorder:
    """A reporter that remembers."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: int = 0

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    @contextmanager
    def task(self, *_: object) -> Iterator[Recorder]:
        yield self

    def advance(self, steps: int = 1) -> None:
        self.steps += steps


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder."""
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every request of urllib and pip to a port where nothing listens."""
    nowhere = "http://127.0.0.1:9"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nowhere)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_INDEX_URL", f"{nowhere}/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


@pytest.fixture(scope="session")
def imagenet_model(imagenet: Weights) -> Path:
    return cached_model(imagenet, BackboneConfig())


@pytest.fixture(scope="session")
def random_network(faces: NDArray[np.uint8]) -> Any:
    """Return a Keras MobileNetV2 whose features vary as much as those of a trained one.

    Its kernels are random. Without the batch statistics its features would be about 1e-11, and any
    absolute tolerance would hold of them.
    """
    import keras

    keras.utils.set_random_seed(7)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(48, 48, 3)
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    images = np.repeat(faces[..., None] / np.float32(127.5) - 1, 3, axis=-1)
    network(images, training=True)
    return network


@pytest.fixture(scope="session")
def random_weights(random_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Return `random_network`'s weights as a file that needs no network to get."""
    tensors = [
        np.asarray(tensor)
        for layer, _ in LAYERS
        for tensor in random_network.get_layer(layer).get_weights()
    ]
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    write_tensors(path, tensors)
    return resolve_weights(path)


@pytest.fixture(scope="session")
def random_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "random.onnx"
    export_model(random_weights, BackboneConfig(), path)
    return path


@pytest.fixture(scope="session")
def equalised_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "equalised.onnx"
    export_model(random_weights, BackboneConfig(equalise=True), path)
    return path


@pytest.fixture(scope="session")
def faces() -> NDArray[np.uint8]:
    """Return 40 images with structure at every scale, an all-black and an all-white one."""
    rng = np.random.default_rng(3)
    layers = [
        np.kron(rng.integers(0, 256, (40, side, side)), np.ones((1, 48 // side, 48 // side)))
        for side in (2, 6, 16, 48)
    ]
    images = np.mean(layers, axis=0).astype(np.uint8)
    images[0], images[1] = 0, 255
    return images
