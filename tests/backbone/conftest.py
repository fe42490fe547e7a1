"""Models that the backbone's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model, export_model
from fer_fast.backbone.weights import Weights


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
