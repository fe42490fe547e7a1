"""The diagnosis on the machine at hand."""

import importlib.metadata
import platform

from fer_fast.doctor import diagnose
from fer_fast.errors import DeviceError
from fer_fast.runtime.cuda import require_cuda

# Square brackets, which rich would take for markup.
EXTRA = "onnxruntime-gpu[cuda,cudnn]"


def cuda_works() -> bool:
    try:
        require_cuda()
    except DeviceError:
        return False
    return True


def test_the_exit_status_and_device_cuda_agree(run_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    doctor = run_cli("doctor")
    assert doctor.returncode == (0 if cuda_works() else 1)
    assert platform.python_version() in doctor.stdout
    assert importlib.metadata.version("tensorflow") in doctor.stdout
    assert ("✗" in doctor.stdout) is not cuda_works()
    assert (EXTRA in doctor.stdout) is any(EXTRA in check.fix for check in diagnose())
