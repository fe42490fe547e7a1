"""A machine to which only the cache was copied: nothing of the extra `train` is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fer_fast
from fer_fast.backbone.weights import Weights
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import save_npz

EXTRACT = ("-m", "fer_fast", "extract", "--device", "cpu", "--size", 32, "--head", "dense")
ONCE = ("--head-epochs", 1)
TRAIN = ("tensorflow", "keras", "tf2onnx", "h5py", "imblearn", "imbalanced_learn")


@pytest.fixture
def slim(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an interpreter that has every other package."""
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "fer_fast").symlink_to(Path(fer_fast.__file__).parent)
    for folder in (Path(part) for part in sys.path if Path(part).name == "site-packages"):
        for entry in folder.iterdir():
            name, link = entry.name.lower(), packages / entry.name
            if not name.startswith(TRAIN) and not link.exists():
                link.symlink_to(entry)
    return {"PYTHONPATH": str(packages)}


@pytest.fixture
def arguments(random_weights: Weights, tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 48, 48)).astype(np.uint8)
    labels = (np.arange(40) % 7).astype(np.uint8)
    splits = np.repeat(list(Split), [20, 10, 10]).astype(np.uint8)
    save_npz(FaceDataset(pixels, labels, splits, "few"), tmp_path / "few.npz")
    data = ("--data", tmp_path / "few.npz", "--weights", random_weights.path)
    return list(map(str, (*EXTRACT, *ONCE, *data, "--out", tmp_path / "features.npz")))


def test_what_is_in_the_cache_needs_no_tensorflow(
    arguments: list[str], slim: dict[str, str], cache: Path, tmp_path: Path
) -> None:
    def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *flags, *arguments]
        return subprocess.run(
            command, env=os.environ | environment, capture_output=True, text=True, check=False
        )

    # Without -S the interpreter would look into its own site-packages too.
    refused = run("-S", **slim)
    assert refused.returncode == 2
    assert "needs h5py" in refused.stderr
    assert "pip install 'fer-fast[train]'" in refused.stderr

    made = run()
    assert made.returncode == 0, made.stderr
    with np.load(tmp_path / "features.npz") as arrays:
        expected = arrays["X"]
    for path in (cache / "models").iterdir():
        # As if another version had made them, and the head on another device.
        name = re.sub(r"(tf2onnx|keras)-", r"\1-0.", path.name)
        path.rename(path.with_name(name.replace("-cpu-fp32-", "-cuda-tf32-")))
    shutil.rmtree(cache / "features")
    found = run("-S", **slim)
    assert found.returncode == 0, found.stderr
    for note in ("backbone: exported before", "head: trained before"):
        (line,) = (line for line in found.stderr.splitlines() if note in line)
        assert "any version's will do" in line
    with np.load(tmp_path / "features.npz") as arrays:
        np.testing.assert_array_equal(arrays["X"], expected)
