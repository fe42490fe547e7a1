"""ONNX Runtime writes down its use, and sends it to its maker, unless it is told not to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Its own code goes by these; some of them silence it.
FOREIGN = ("CI", "GITHUB_ACTIONS", "TF_BUILD", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")


def files_of_a_home(home: Path, *command: str) -> list[str]:
    """Return what a Python command leaves in an empty home folder."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    own = {"HOME": str(home), "FER_FAST_CACHE": str(home.parent / "cache")}
    child = subprocess.run(
        [sys.executable, *command], env=environment | own, capture_output=True, text=True
    )
    # 1: the doctor found no CUDA.
    assert child.returncode == 0 or (child.returncode == 1 and "doctor" in command), child.stderr
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_no_command_has_onnx_runtime_report_its_use(tmp_path: Path) -> None:
    if not files_of_a_home(tmp_path / "plain", "-c", "import onnxruntime"):
        pytest.skip("this release of ONNX Runtime writes nothing down, whoever imports it")
    assert files_of_a_home(tmp_path / "doctor", "-m", "fer_fast", "doctor") == []


def test_prediction_has_onnx_runtime_report_nothing(tmp_path: Path, expression_model: Path) -> None:
    opening = (
        "from pathlib import Path\nfrom fer_fast.recognition.recognizer import Recognizer\n"
        f"Recognizer(Path({str(expression_model)!r}))"
    )
    assert files_of_a_home(tmp_path / "predict", "-c", opening) == []
