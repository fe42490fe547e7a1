"""A TensorFlow child takes nothing from where the user happens to stand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fer_fast.errors import FerFastError
from fer_fast.keras_process import run_keras

PROBE = """
import json, os, numpy, random, copy, queue
print(json.dumps({"numpy": numpy.__file__, "environment": dict(os.environ)}))
"""

KERAS_PROBE = """
import json, os, keras
print(json.dumps({
    "backend": keras.backend.backend(),
    "format": keras.config.image_data_format(),
    "floatx": keras.config.floatx(),
    "policy": keras.config.dtype_policy().name,
}))
"""


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a program as TensorFlow's are run, and what it printed."""
    path = tmp_path / "programs"
    path.mkdir()
    # As `export PYTHONPATH=$PYTHONPATH:more` leaves it where there was none: an empty part is the
    # working folder.
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{path}")

    def run(program: str, jobs: int = 1) -> Any:
        (path / "a_probe.py").write_text(program)
        folder = tmp_path / "folder"
        folder.mkdir()
        lines: list[str] = []
        run_keras("probing", "a_probe", [], folder=folder, jobs=jobs, hear=lines.append)
        return json.loads(lines[-1])

    return run


def test_a_file_where_the_user_stands_is_no_module_of_ours(
    probe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "random", "copy", "queue", "keras", "onnx"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the user's own file')")
    monkeypatch.chdir(tmp_path)
    assert not Path(probe(PROBE)["numpy"]).is_relative_to(tmp_path)


def test_no_variable_of_keras_and_no_warning_filter_reaches_the_child(
    probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KERAS_BACKEND", "KERAS_MAX_EPOCHS", "TF_USE_LEGACY_KERAS", "PYTHONWARNINGS"):
        monkeypatch.setenv(name, "1")
    environment = probe(PROBE)["environment"]
    assert environment["KERAS_BACKEND"] == "tensorflow"
    assert not {"KERAS_MAX_EPOCHS", "TF_USE_LEGACY_KERAS", "PYTHONWARNINGS"} & environment.keys()


def test_the_child_has_the_threads_that_were_asked_for(
    probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "64")
    environment = probe(PROBE, jobs=3)["environment"]
    assert environment["TF_NUM_INTRAOP_THREADS"] == "3"
    assert environment["OPENBLAS_NUM_THREADS"] == "3"
    # Who asked for fewer in general gets fewer here.
    assert environment["OMP_NUM_THREADS"] == "1"


def test_the_child_reports_nothing_to_the_maker_of_onnx_runtime(probe: Any) -> None:
    assert probe(PROBE)["environment"]["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_configuration_of_the_users_keras_is_not_read(
    probe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"image_data_format": "channels_first", "floatx": "float16", "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(theirs))
    (tmp_path / ".keras").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert probe(KERAS_PROBE) == {
        "backend": "tensorflow",
        "format": "channels_last",
        "floatx": "float32",
        "policy": "float32",
    }


def test_a_child_needs_no_temporary_folder(probe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/proc/none")
    assert probe(PROBE)


def test_what_a_failed_child_said_is_kept_as_a_note(probe: Any) -> None:
    with pytest.raises(FerFastError, match=r"^probing failed \(ValueError: no\)") as failed:
        probe("raise ValueError('no')")
    assert "Traceback" in failed.value.__notes__[0]


def test_a_package_that_is_missing_is_named_with_the_line_to_type(
    probe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(FerFastError, match=r"needs tf2onnx.*pip install 'fer-fast\[train\]'"):
        probe(PROBE)


def test_the_command_line_keeps_the_libraries_to_its_jobs() -> None:
    script = (
        "import sys, threadpoolctl\n"
        "from fer_fast.cli import main\n"
        "assert 'numpy' not in sys.modules\n"
        "from fer_fast.cli.commands import doctor\n"
        "def run(*_):\n"
        "    import numpy\n"
        "    print(max(pool['num_threads'] for pool in threadpoolctl.threadpool_info()))\n"
        "    return 0\n"
        "doctor.run = run\n"
        "doctor.add_arguments = lambda parser: parser.add_argument('--jobs', type=int)\n"
        "main.main(['doctor', '--jobs', '1'])\n"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.stdout.split() == ["1"], child.stderr
