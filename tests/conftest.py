"""Fixtures shared by every folder of tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_fast.backbone.architecture import LAYERS
from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model, export_model
from fer_fast.backbone.hdf5 import write_tensors
from fer_fast.backbone.weights import Weights, resolve_weights
from fer_fast.errors import WeightsError

# On a loaded machine any example may be slow.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """Let Ctrl-C through to the commands that tests start.

    A shell starts background jobs with SIGINT ignored, and every process below inherits that; a
    handler is reset to the default instead.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """Return a local copy of FER-2013's csv."""
    path = os.environ.get("FER_FAST_TEST_FER2013")
    if not path:
        pytest.skip("FER_FAST_TEST_FER2013 does not name a local copy of FER-2013")
    return Path(path)


@pytest.fixture(scope="session")
def imagenet() -> Weights:
    """Return the real ImageNet weights, from the user's cache or whatever source is reachable."""
    try:
        return resolve_weights(None)
    except WeightsError as error:
        pytest.skip(f"no ImageNet weights: {error}")


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
    with path.open("wb") as file:
        write_tensors(tensors, file)
    return resolve_weights(path)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which tests find the models that others have exported."""
    return tmp_path_factory.mktemp("shared-cache")


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return a function that runs the real ``fer-fast`` in a folder, and with a cache, of its own.

    Keywords are variables of its environment.
    """
    own = {"FER_FAST_CACHE": str(tmp_path / "cache")}

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fer_fast", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | own | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


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
def resizing_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "80.onnx"
    export_model(random_weights, BackboneConfig(size=80), path)
    return path
