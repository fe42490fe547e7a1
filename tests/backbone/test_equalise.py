"""Equalised histograms, against Pillow's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fer_fast.backbone.keras_to_onnx import equalised
from fer_fast.runtime.session import open_session


def _by_pillow(faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(ImageOps.equalize(Image.fromarray(face))) for face in faces])


def _by_us(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    levels: NDArray[np.float32] = equalised(faces.astype(np.float32)).numpy()
    return levels


def test_any_number_of_brightest_pixels_gives_the_levels_of_pillow() -> None:
    # It decides Pillow's step, and whether the face changes at all.
    rng = np.random.default_rng(5)
    faces = rng.integers(0, 200, (48**2, 48**2)).astype(np.uint8)
    for n_brightest, face in enumerate(faces, start=1):
        face[:n_brightest] = 200
    faces = faces.reshape(-1, 48, 48)
    expected = _by_pillow(faces)
    np.testing.assert_array_equal(_by_us(faces), expected)
    assert (expected != faces).any(axis=(1, 2)).sum() > 2000
    assert (expected == faces).all(axis=(1, 2)).sum() > 200


@settings(max_examples=50)
@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=256, unique=True),
    st.integers(0, 2**32 - 1),
    st.floats(0.2, 8),
)
def test_any_set_of_levels_gives_those_of_pillow(levels: list[int], seed: int, skew: float) -> None:
    rng = np.random.default_rng(seed)
    chosen = (rng.random((3, 48, 48)) ** skew * len(levels)).astype(int)
    faces = np.array(levels, dtype=np.uint8)[chosen]
    np.testing.assert_array_equal(_by_us(faces), _by_pillow(faces))


def test_the_graph_sees_what_pillow_equalised(
    random_model: Path, equalised_model: Path, faces: NDArray[np.uint8]
) -> None:
    # The first two faces are all black and all white.
    dim = np.concatenate([faces[:2], faces[2:] // 3 + 20])
    plain, model = (open_session(path, "cpu") for path in (random_model, equalised_model))
    expected = plain.features(_by_pillow(dim))
    features = model.features(dim)
    assert np.isfinite(features).all()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-5 * scale)
    # The tolerance means something: unequalised, the faces look otherwise.
    assert np.abs(plain.features(dim) - expected).max() > 0.1 * scale


def test_a_device_can_run_it_alone(equalised_model: Path) -> None:
    model = onnx.load(equalised_model)
    onnx.checker.check_model(model, full_check=True)
    # Shapes computed at run time would stay on the CPU of a CUDA session.
    assert not {"Shape", "Gather"} & {node.op_type for node in model.graph.node}
