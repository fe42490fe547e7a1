from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_fast.backbone.weights import Weights, cached_weights_path
from fer_fast.doctor import _write_convolution, diagnose
from fer_fast.environment import RUNTIMES, installed_versions
from fer_fast.errors import DeviceError
from fer_fast.runtime.session import open_session

UNINSTALL_BOTH = "pip uninstall onnxruntime onnxruntime-gpu` and "


def test_the_verdict_is_that_of_opening_a_cuda_session(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(DeviceError) as caught:
        open_session(random_model, "cuda")
    verdict = diagnose()[-1]
    assert (verdict.name, verdict.ok) == ("--device cuda", False)
    assert verdict.fix == str(caught.value)


def test_every_piece_is_named_once(cache: Path) -> None:
    checks = {check.name: check for check in diagnose()}
    assert len(checks) == len(diagnose())
    assert {"Python", "tensorflow", "ONNX Runtime", "GPU", "libcudnn.so.9"} <= checks.keys()
    assert checks["numpy"].found == np.__version__
    assert str(cache) in checks["cache"].found


def test_what_a_killed_run_left_is_counted(cache: Path) -> None:
    left = cache / "unfinished" / "tmp"
    left.mkdir(parents=True)
    (left / "view-0.npy").write_bytes(bytes(3_100_000))
    (check,) = (check for check in diagnose() if check.name == "cache")
    assert check.found == f"{cache} (unfinished 3.1 MB)"


def test_the_weights_of_the_cache_are_looked_at(cache: Path, random_weights: Weights) -> None:
    def weights() -> tuple[bool, str]:
        check = next(check for check in diagnose() if check.name == "weights")
        return check.ok, check.found + check.fix

    assert weights()[0]
    assert "not in the cache" in weights()[1]
    kept = cached_weights_path()
    assert kept is not None
    assert kept.is_relative_to(cache)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(random_weights.path.read_bytes())
    assert weights()[0]
    assert "other weights" in weights()[1]
    kept.write_bytes(b"damaged")
    assert not weights()[0]


def diagnose_in_a_child(damage: str, **variables: str) -> dict[str, str]:
    """Return what to do about each check where `damage` came before."""
    script = (
        "import json, os, sys\nfrom types import ModuleType\n"
        f"{damage}\n"
        "from fer_fast.doctor import diagnose\n"
        "print(json.dumps({check.name: check.fix for check in diagnose()}))"
    )
    child = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )
    assert child.returncode == 0, child.stderr
    fixes: dict[str, str] = json.loads(child.stdout)
    return fixes


@pytest.mark.parametrize(
    ("damage", "name", "fix"),
    [
        ("sys.modules['onnxruntime'] = None", "CUDA build", UNINSTALL_BOTH),
        ("sys.modules['onnxruntime'] = ModuleType('empty')", "CUDA provider", UNINSTALL_BOTH),
        (
            "import onnxruntime; onnxruntime.get_available_providers = lambda: []",
            "CUDA build",
            UNINSTALL_BOTH,
        ),
        ("sys.modules['onnx'] = None", "--device cuda", "onnx"),
        ("sys.modules['numpy'] = None", "--device cuda", "numpy"),
        ("sys.modules['numpy'] = ModuleType('numpy')", "--device cuda", "install"),
        ("sys.modules['h5py'] = None", "weights", "pip install 'fer-fast[train]'"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_a_broken_installation_is_diagnosed(
    damage: str, name: str, fix: str, random_weights: Weights
) -> None:
    kept = cached_weights_path()
    assert kept is not None
    kept.parent.mkdir(parents=True)
    kept.write_bytes(random_weights.path.read_bytes())
    assert fix in diagnose_in_a_child(damage)[name]


def test_a_machine_without_cache_home_or_temporary_folder_is_diagnosed(tmp_path: Path) -> None:
    homeless = "import tempfile; tempfile.tempdir = '/proc/none'"
    fixes = diagnose_in_a_child(homeless, FER_FAST_CACHE="~nobody-of-this-name/cache")
    assert "FER_FAST_CACHE" in fixes["cache"]
    (tmp_path / "file").write_text("")
    fixes = diagnose_in_a_child(homeless, FER_FAST_CACHE=str(tmp_path / "file" / "cache"))
    assert fixes.keys() >= {"cache", "weights", "--device cuda"}


def test_a_second_onnx_runtime_in_another_folder_is_no_conflict(tmp_path: Path) -> None:
    (present,) = installed_versions(RUNTIMES)
    (other,) = set(RUNTIMES) - {present}
    metadata = tmp_path / f"{other.replace('-', '_')}-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {other}\nVersion: 1.0\n")
    assert diagnose_in_a_child("", PYTHONPATH=str(tmp_path))["ONNX Runtime"] == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser may become another user")
def test_the_cache_of_another_user_is_said_to_be_read_only(cache: Path) -> None:
    (cache / "models").mkdir(parents=True)
    for parent in (cache, *cache.parents):
        if parent.is_relative_to("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    # Everything is imported first: the other user may not read this one's packages.
    script = (
        "import os\nfrom fer_fast import doctor\ndoctor.diagnose()\nos.setuid(54321)\n"
        "print([check.found for check in doctor.diagnose() if check.name == 'cache'])"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert "read-only: name another with FER_FAST_CACHE" in child.stdout


def test_the_convolution_that_tries_cuda_is_right(tmp_path: Path) -> None:
    _write_convolution(tmp_path / "convolution.onnx")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 48, 48), dtype=np.uint8)
    sums = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2)).sum(axis=(3, 4))
    features = open_session(tmp_path / "convolution.onnx", "cpu").features(pixels)
    np.testing.assert_array_equal(features, sums.reshape(2, -1) * (1 + 2**-11))
