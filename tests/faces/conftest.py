"""Small data sets, and a reporter that remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fer_fast.faces.dataset import FaceDataset


class Heard:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tasks: list[str] = []
        self.steps: list[tuple[int | None, int]] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    @contextmanager
    def task(self, description: str, total: int, _unit: str = "") -> Iterator[Heard]:
        self.tasks.append(description)
        self.steps.append((total, 0))
        yield self

    def advance(self, steps: int = 1, _status: str = "") -> None:
        total, done = self.steps[-1]
        self.steps[-1] = (total, done + steps)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a cache of its own."""
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "datasets"


@pytest.fixture
def faces() -> FaceDataset:
    """Return 60 random faces in three splits."""
    rng = np.random.default_rng(0)
    return FaceDataset(
        pixels=rng.integers(0, 256, (60, 48, 48), dtype=np.uint8),
        labels=rng.integers(0, 7, 60, dtype=np.uint8),
        splits=np.repeat(np.arange(3, dtype=np.uint8), 20),
        source="random faces",
    )


@pytest.fixture
def as_csv() -> Callable[..., str]:
    """Return a function that writes a data set as Kaggle publishes it, with any column names."""

    def write(faces: FaceDataset, names: tuple[str, ...] = ("emotion", "pixels", "Usage")) -> str:
        lines = [",".join(names)]
        for pixels, label, split in zip(faces.pixels, faces.labels, faces.splits, strict=True):
            cells = {
                "emotion": str(label),
                "pixels": " ".join(map(str, pixels.ravel().tolist())),
                "Usage": ("Training", "PublicTest", "PrivateTest")[split],
            }
            lines.append(",".join(cells[name.strip()] for name in names))
        return "\n".join(lines) + "\n"

    return write
