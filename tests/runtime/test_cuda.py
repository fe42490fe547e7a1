"""CUDA on a device, where there is one: agreement with the CPU, and what runs where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from placement import on_cuda, placed_nodes

from fer_fast.errors import DeviceError
from fer_fast.runtime.cuda import require_cuda
from fer_fast.runtime.session import open_session


@pytest.fixture(scope="session")
def cuda() -> Any:
    try:
        return require_cuda()
    except DeviceError as error:
        pytest.skip(f"no usable CUDA device: {error}")


def test_the_profiler_sees_every_node(random_model: Path, tmp_path: Path) -> None:
    nodes = placed_nodes(random_model, "fp32", ["CPUExecutionProvider"], tmp_path)
    assert {provider for _, provider in nodes} == {"CPUExecutionProvider"}
    assert sum(operator == "Conv" for operator, _ in nodes) == 52


@pytest.mark.gpu
@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16"])
def test_every_node_runs_on_cuda(products: dict[str, Path], precision: Any, tmp_path: Path) -> None:
    for model in products.values():
        nodes = placed_nodes(model, precision, on_cuda(precision), tmp_path)
        assert {provider for _, provider in nodes} == {"CUDAExecutionProvider"}


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("precision", "least_cosine", "most_apart"),
    # tf32 rounds both factors of a product to 11 bits, fp16 whatever it stores: on these faces,
    # which are harder than photographs, a feature may differ by 2, and the whole hardly turns.
    [("fp32", 0.99999, 1e-4), ("tf32", 0.97, 0.08), ("fp16", 0.985, 0.06)],
)
def test_cuda_and_cpu_features_agree(
    cuda: str,
    imagenet_model: Path,
    faces: NDArray[np.uint8],
    precision: Any,
    least_cosine: float,
    most_apart: float,
) -> None:
    session = open_session(imagenet_model, "cuda", precision=precision)
    assert session.device == f"cuda:{cuda}"
    expected = open_session(imagenet_model, "cpu").features(faces)
    for batch_size in (None, 7):
        found = session.features(faces, batch_size=batch_size)
        norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((found * expected).sum(axis=1) / norms).min() >= least_cosine
        assert np.linalg.norm(found - expected) <= most_apart * np.linalg.norm(expected)
        if precision == "fp32":
            assert np.abs(found - expected).max() <= 1e-3
