"""The real CUDA provider on libraries that stand in for a device."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from stand_ins import OnStandIns, build, what_is_missing

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import export_model
from fer_fast.backbone.weights import Weights
from fer_fast.graph.head import DenseHead, append_heads
from fer_fast.runtime.session import open_session

_PRELUDE = """
import ctypes
from pathlib import Path

import numpy as np

from fer_fast.errors import DeviceError
from fer_fast.progress import SILENT
from fer_fast.runtime.session import open_session

cudart, cudnn, cublas = (
    ctypes.CDLL(name) for name in ("libcudart.so.13", "libcudnn.so.9", "libcublas.so.13")
)
cudart.stand_in_get.restype = ctypes.c_int64

def get(name):
    return cudart.stand_in_get(name.encode())

def put(name, value):
    cudart.stand_in_set(name.encode(), ctypes.c_int64(value))

class Reporter(type(SILENT)):
    def note(self, message): print("note:", message)
    def warn(self, message): print("warning:", message)

def numbered(n, first=0):
    '''Return faces of which each is filled with its number.'''
    numbers = (first + np.arange(n)) % 251
    return np.broadcast_to(numbers[:, None, None], (n, 48, 48)).astype(np.uint8)

def is_numbered(features, first=0):
    '''Tell whether each row is its own face, as the copying model returns it.'''
    faces = numbered(len(features), first)
    return bool(np.array_equal(features, faces.reshape(len(faces), -1).astype(np.float32)))
"""


@pytest.fixture(scope="session")
def stand_in_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of libraries that stand in for the driver, CUDA and cuDNN."""
    capi = Path(onnxruntime.__file__).parent / "capi"
    if why := what_is_missing(capi):
        pytest.skip(why)
    if importlib.util.find_spec("nvidia"):
        pytest.skip("the real libraries of CUDA are installed, and are loaded first")
    return build(capi, tmp_path_factory.mktemp("stand-ins"))


@pytest.fixture
def on_stand_ins(stand_in_libraries: Path, tmp_path: Path) -> OnStandIns:
    """Return a function that runs a script on the stand-ins and returns what it prints.

    Keywords are variables of its environment.
    """
    own = {
        "LD_LIBRARY_PATH": str(stand_in_libraries),
        "PYTHONPATH": str(Path(__file__).parent),
        "FER_FAST_CACHE": str(tmp_path / "cache"),
    }

    def run(script: str, **environment: str) -> str:
        child = subprocess.run(
            [sys.executable, "-c", _PRELUDE + script],
            cwd=tmp_path,
            env=os.environ | own | environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert child.returncode == 0, child.stdout + child.stderr
        assert child.stderr == ""
        return child.stdout

    return run


@pytest.fixture(scope="session")
def copying_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a backbone whose features are the pixels: the one that stand-ins compute."""
    n_features = 48 * 48
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["single"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["single", "shape"], ["features"]),
        ],
        "copy",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 48, 48])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
        [numpy_helper.from_array(np.array([-1, n_features]), "shape")],
    )
    path = tmp_path_factory.mktemp("models") / "copy.onnx"
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


PRODUCTS = ("48", "150", "160", "equalised", "pooled", "head")
"""What the product makes: sizes, a histogram equalised, averages of the grid, a trained head."""


@pytest.fixture(scope="session")
def products(
    random_weights: Weights,
    random_model: Path,
    equalised_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Return a model of each of `PRODUCTS`, with random weights."""
    folder = tmp_path_factory.mktemp("products")
    taps = ("block_6_expand_relu", "block_13_expand_relu")
    configs = {
        # No multiple of the coarser tap's stride, so that averages of its grid are padded.
        "150": BackboneConfig(size=150, taps=taps, pooling="2x2"),
        "160": BackboneConfig(size=160, taps=taps, pooling="2x2"),
        "pooled": BackboneConfig(size=80, pooling="global"),
    }
    for name, config in configs.items():
        export_model(random_weights, config, folder / f"{name}.onnx")
    width = open_session(folder / "160.onnx", "cpu").n_features
    (folder / "head.onnx").write_bytes(append_heads(folder / "160.onnx", [_random_head(width)]))
    made = {name: folder / f"{name}.onnx" for name in (*configs, "head")}
    return made | {"48": random_model, "equalised": equalised_model}


def _random_head(width: int) -> DenseHead:
    """Return three layers, the first shared by the cells of a grid of 2 x 2."""
    rng = np.random.default_rng(5)
    shapes = ((width // 4, 32), (128, 24), (24, 16))
    layers = [(rng.normal(size=shape), rng.normal(size=shape[1])) for shape in shapes]
    return DenseHead(tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in layers))
