"""The diagnosis on the machine at hand."""

import importlib.metadata
import platform

import pytest

from fer_fast.backbone.devices import require_cuda
from fer_fast.errors import DeviceError


@pytest.fixture
def cuda_works() -> bool:
    try:
        require_cuda()
    except DeviceError:
        return False
    return True


def test_the_exit_status_and_device_cuda_agree(run_cli, cuda_works, tmp_path):
    doctor = run_cli("doctor", FER_FAST_CACHE=str(tmp_path))
    assert doctor.returncode == (0 if cuda_works else 1)
    assert platform.python_version() in doctor.stdout
    assert importlib.metadata.version("tensorflow") in doctor.stdout
    assert ("✗" in doctor.stdout) is not cuda_works


def test_a_missing_library_comes_with_the_line_that_mends_it(run_cli, cuda_works):
    if cuda_works:
        pytest.skip("nothing is missing on this machine")
    doctor = run_cli("doctor")
    assert "onnxruntime-gpu[cuda,cudnn]" in doctor.stdout.replace("\n", "")


def test_cuda_that_cannot_be_used_is_an_error_and_auto_says_why(run_cli, cuda_works, imagenet):
    if cuda_works:
        pytest.skip("CUDA can be used on this machine")
    refused = run_cli("extract", "--device", "cuda", "--weights", imagenet.path)
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines()[-1].startswith("error: ")
    fallen_back = run_cli("extract", "--device", "auto", "--weights", imagenet.path)
    assert fallen_back.returncode == 0
    assert "device: cpu, because" in fallen_back.stderr
