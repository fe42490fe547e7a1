from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from fer_fast.errors import FerFastError, ParameterError
from fer_fast.graph.fp16 import cached_half, half_precision
from fer_fast.runtime.session import open_session


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(
    "model", ["imagenet_model", "random_model", "equalised_model", "resizing_model"]
)
def test_half_precision_points_the_same_way(
    model: str, faces: NDArray[np.uint8], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    single = request.getfixturevalue(model)
    (tmp_path / "half.onnx").write_bytes(half_precision(single))
    # Without native half arithmetic, ONNX Runtime rounds to half between the operators.
    half = open_session(tmp_path / "half.onnx", "cpu").features(faces)
    expected = open_session(single, "cpu").features(faces)
    assert _cosines(half, expected).min() >= 0.999
    assert np.abs(half - expected).max() > 0


def test_a_tap_in_the_first_block_is_refused(random_weights: Any, tmp_path: Path) -> None:
    from fer_fast.backbone.config import BackboneConfig
    from fer_fast.backbone.export import export_model

    early = BackboneConfig(taps=("expanded_conv_project_BN",), pooling="global")
    export_model(random_weights, early, tmp_path / "single.onnx")
    with pytest.raises(ParameterError, match="precision fp16 leaves as it is"):
        (tmp_path / "half.onnx").write_bytes(half_precision(tmp_path / "single.onnx"))


def test_weights_shrink_and_the_interface_stays(random_model: Path, tmp_path: Path) -> None:
    (tmp_path / "half.onnx").write_bytes(half_precision(random_model))
    onnx.checker.check_model(tmp_path / "half.onnx", full_check=True)
    before, after = onnx.load(random_model).graph, onnx.load(tmp_path / "half.onnx").graph
    assert list(after.input) == list(before.input)
    assert list(after.output) == list(before.output)
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * random_model.stat().st_size


@pytest.mark.usefixtures("cache")
def test_the_conversion_is_cached_and_mends_itself(random_model: Path, recorder: Any) -> None:
    first = cached_half(random_model, reporter=recorder)
    content = first.read_bytes()
    assert cached_half(random_model, reporter=recorder) == first
    assert len(recorder.notes) == 1
    first.write_bytes(content[:100])
    assert cached_half(random_model, reporter=recorder).read_bytes() == content
    assert len(recorder.warnings) == 1


def test_other_precisions_need_cuda(random_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match="precision fp16 needs CUDA"):
        open_session(random_model, "cpu", precision="fp16")
    with pytest.raises(ParameterError, match="'fp8'"):
        open_session(random_model, "cpu", precision="fp8")  # type: ignore[arg-type]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(FerFastError, match=r"driver|CUDA"):
        open_session(random_model, "auto", precision="tf32")
