from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from fer_fast.errors import DeviceError
from fer_fast.graph.padding import KEEP_PADDING_APART, padded_apart
from fer_fast.runtime.buffers import provider_options
from fer_fast.runtime.cuda import require_cuda
from fer_fast.runtime.session import open_session


@pytest.fixture
def cuda() -> Any:
    try:
        return require_cuda()
    except DeviceError as error:
        pytest.skip(f"no usable CUDA device: {error}")


def _providers_of_nodes(
    model: Path, providers: list[Any], faces: NDArray[np.uint8], folder: Path
) -> list[tuple[str, str]]:
    """Run a model under ONNX Runtime's profiler; return each node's operator and provider."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.add_session_config_entry(*KEEP_PADDING_APART)
    runtime = onnxruntime.InferenceSession(padded_apart(model), options, providers=providers)
    runtime.run(None, {"pixels": faces})
    events = json.loads(Path(runtime.end_profiling()).read_text())
    return [
        (event["args"]["op_name"], event["args"]["provider"])
        for event in events
        if event["cat"] == "Node" and event["args"].get("provider")
    ]


def test_the_profiler_sees_every_node(
    random_model: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    nodes = _providers_of_nodes(random_model, ["CPUExecutionProvider"], faces, tmp_path)
    assert {provider for _, provider in nodes} == {"CPUExecutionProvider"}
    assert sum(operator == "Conv" for operator, _ in nodes) == 52


@pytest.mark.gpu
@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("model", ["random_model", "equalised_model"])
def test_every_node_runs_on_cuda(
    model: str, faces: NDArray[np.uint8], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    providers = [("CUDAExecutionProvider", provider_options("fp32")), "CPUExecutionProvider"]
    nodes = _providers_of_nodes(request.getfixturevalue(model), providers, faces, tmp_path)
    assert {provider for _, provider in nodes} == {"CUDAExecutionProvider"}


@pytest.mark.gpu
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-3), ("tf32", 1e-2)])
def test_cuda_and_cpu_features_agree(
    cuda: str, imagenet_model: Path, faces: NDArray[np.uint8], precision: Any, tolerance: float
) -> None:
    session = open_session(imagenet_model, "cuda", precision=precision)
    assert session.device == f"cuda:{cuda}"
    expected = open_session(imagenet_model, "cpu").features(faces)
    for batch_size in (None, 7):
        features = session.features(faces, batch_size=batch_size)
        assert np.abs(features - expected).max() <= tolerance


@pytest.mark.gpu
@pytest.mark.usefixtures("cuda")
def test_half_precision_points_the_same_way_on_cuda(
    imagenet_model: Path, faces: NDArray[np.uint8]
) -> None:
    half = open_session(imagenet_model, "cuda", precision="fp16").features(faces)
    expected = open_session(imagenet_model, "cpu").features(faces)
    norms = np.linalg.norm(half, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((half * expected).sum(axis=1) / norms).min() >= 0.999
