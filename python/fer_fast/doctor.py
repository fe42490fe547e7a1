"""What this installation has, what it lacks, and what mends it.

Whatever may be broken, NumPy included, is imported by the check that looks at it.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

from fer_fast.environment import (
    PACKAGES,
    PIP,
    RUNTIMES,
    TRAIN_PACKAGES,
    install_line,
    installed_versions,
)
from fer_fast.errors import DeviceError, FerFastError, OutputError
from fer_fast.runtime.cuda import (
    CUDA_LIBRARIES,
    INSTALL_RUNTIME,
    require_cuda_build,
    require_cuda_device,
    require_cuda_library,
    require_cuda_provider,
)
from fer_fast.storage.cache import VARIABLE, Cache, scratch_dir
from fer_fast.storage.files import is_there


@dataclass(frozen=True)
class Check:
    """One line of a diagnosis.

    Attributes
    ----------
    name : str
        What was looked at.
    found : str
        What is there.
    fix : str
        What to do, empty if nothing is wrong.
    """

    name: str
    found: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """True if nothing needs doing."""
        return not self.fix


def diagnose() -> list[Check]:
    """Look at Python, packages, CUDA, cache and weights; the last check is CUDA as a whole.

    Nothing is downloaded, installed or raised. CUDA is tried by a convolution on the device, so
    that the last check passes if and only if ``--device cuda`` works.
    """
    return [
        Check("Python", f"{platform.python_version()} ({sys.executable})"),
        *map(_package, PACKAGES),
        *map(_train_package, TRAIN_PACKAGES),
        _runtime(),
        _try("CUDA build", _cuda_build),
        _try("GPU", _gpu),
        *(_try(file, partial(_library, name)) for name, (file, _) in CUDA_LIBRARIES.items()),
        _try("CUDA provider", _provider),
        _try("cache", _cache),
        _try("weights", _weights),
        _try("--device cuda", _convolve_on_cuda),
    ]


def _try(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, look())
    except FerFastError as error:
        return Check(name, "no", str(error))
    except ImportError as error:
        return Check(name, "no", f"{error}: install the package")
    # What a broken installation raises is what this is for, whatever it may be.
    except Exception as error:
        return Check(name, "no", f"{type(error).__name__}: {error}: install its packages again")


def _package(name: str) -> Check:
    if found := installed_versions([name]):
        return Check(name, found[name])
    return Check(name, "no", f"{name} is not installed: run `{PIP} install {name}`")


def _train_package(name: str) -> Check:
    if found := installed_versions([name]):
        return Check(name, found[name])
    needed = "what exports a backbone, trains a head, balances classes and reads weights"
    return Check(name, "no", f"needed by {needed}: run `{install_line('train')}`")


def _runtime() -> Check:
    found = installed_versions(RUNTIMES)
    described = ", ".join(f"{name} {number}" for name, number in found.items()) or "no"
    if len(set(map(_folder_of, found))) == len(found) > 0:
        return Check("ONNX Runtime", described)
    return Check(
        "ONNX Runtime",
        described,
        f"exactly one of onnxruntime and onnxruntime-gpu must be installed: {INSTALL_RUNTIME}",
    )


def _folder_of(runtime: str) -> Path:
    """Return where a distribution of ONNX Runtime lies: two in one folder damage each other."""
    return Path(str(distribution(runtime).locate_file("onnxruntime"))).resolve()


def _cuda_build() -> str:
    require_cuda_build()
    return "yes"


def _gpu() -> str:
    device = require_cuda_device()
    major, minor = device.driver_cuda
    return f"{device.name}, {device.memory_bytes / 2**30:.0f} GiB, driver for CUDA {major}.{minor}"


def _library(name: str) -> str:
    require_cuda_library(name)
    return "found"


def _provider() -> str:
    require_cuda_provider()
    return "loads"


def _cache() -> str:
    cache = Cache()
    if cache.root is None:
        raise OutputError(f"this user has no home folder to hold it: name a folder with {VARIABLE}")
    parts = [f"{kind} {size / 1e6:.1f} MB" for kind, size in cache.sizes().items()]
    existing = next(f for f in (cache.root, *cache.root.parents) if is_there(f))
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        parts.append(f"read-only: name another with {VARIABLE} to keep more")
    return f"{cache.root} ({', '.join(parts) or 'empty'})"


def _weights() -> str:
    from fer_fast.backbone.hdf5 import read_digest
    from fer_fast.backbone.weights import IMAGENET_DIGEST, cached_weights_path

    path = cached_weights_path()
    if path is None or not is_there(path):
        return "not in the cache yet: fetched from Keras or the package index when first needed"
    if read_digest(path) == IMAGENET_DIGEST:
        return f"Keras' ImageNet weights ({path})"
    return f"other weights than Keras' ImageNet ones ({path})"


_BEYOND_TF32 = 1 + 2**-11
"""A factor that single precision holds, and TF32 would round to 1."""

_ROUNDING = 0.02
"""How far off an algorithm may be that does not sum the products one by one; TF32 is by over .5."""


def _convolve_on_cuda() -> str:
    import numpy as np

    from fer_fast.faces.dataset import FACE_SIDE
    from fer_fast.runtime.session import open_session

    pixels = np.random.default_rng(0).integers(0, 256, (4, FACE_SIDE, FACE_SIDE), dtype=np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2))
    expected = windows.sum(axis=(3, 4)).reshape(len(pixels), -1) * _BEYOND_TF32
    with scratch_dir() as folder:
        model = folder / "convolution.onnx"
        _write_convolution(model)
        session = open_session(model, "cuda")
        # Two batches, which must not get the sums of one.
        wrong = np.abs(session.features(pixels, batch_size=2) - expected).max()
    if not wrong <= _ROUNDING:
        rounded = " (it rounds factors to TF32: set NVIDIA_TF32_OVERRIDE=0)" if wrong < 2 else ""
        raise DeviceError(
            f"{session.device} computes sums that are wrong by up to {wrong:g}{rounded}",
            hint="update the NVIDIA driver and ONNX Runtime, and use the CPU until this passes",
        )
    return f"computes two batches right on {session.device.partition(':')[2]}"


def _write_convolution(path: Path) -> None:
    """Write the smallest backbone that needs cuDNN.

    Its features are the sums of each window of 3 x 3 pixels times `_BEYOND_TF32`, which single
    precision holds exactly.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from fer_fast.backbone.config import OPSET
    from fer_fast.faces.dataset import FACE_SIDE

    constants = {
        "axis": np.array([1]),
        "kernel": np.full((1, 1, 3, 3), _BEYOND_TF32, dtype=np.float32),
        "shape": np.array([-1, (FACE_SIDE - 2) ** 2]),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["images"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["images", "axis"], ["channels"]),
            helper.make_node("Conv", ["channels", "kernel"], ["sums"]),
            helper.make_node("Reshape", ["sums", "shape"], ["features"]),
        ],
        "convolution",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", FACE_SIDE, FACE_SIDE])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", (FACE_SIDE - 2) ** 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
