"""Every benchmark starts: what it imports exists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("script", sorted(BENCH.glob("*.py")), ids=lambda script: script.stem)
def test_it_starts(script: Path) -> None:
    found = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, timeout=60
    )
    if "ModuleNotFoundError: No module named 'torch'" in found.stderr:
        pytest.skip("torch, which only the GPU's comparison needs, is not installed")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("program", "said"), [("measure", "pytorch_compiled"), ("proof", "real faces")]
)
def test_the_gpu_needs_no_tensorflow_nor_scikit_learn(
    tmp_path: Path, program: str, said: str
) -> None:
    """What bench/gpu/run.sh names must be enough on a machine that has nothing else."""
    for package in ("tensorflow", "keras", "tf2onnx", "sklearn", "imblearn", "scipy", "h5py"):
        (tmp_path / f"{package}.py").write_text("raise ImportError(__name__)\n")
    found = subprocess.run(
        [BENCH / "gpu" / "run.sh", program, "--help"],
        env=os.environ | {"PYTHON": sys.executable, "FER_FAST_GPU_SITE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    assert said in found.stdout
