"""Cutting squares out, against plain slices of the pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_fast.recognition.crop import Framing, face_crop

NOISE = np.random.default_rng(0).integers(0, 256, (100, 120), dtype=np.uint8)


@given(st.integers(-70, 150), st.integers(-70, 130))
def test_a_square_on_whole_pixels_is_a_slice_that_repeats_the_border(left: int, top: int) -> None:
    crop = face_crop(Image.fromarray(NOISE), (left, top, 48))
    padded = np.pad(NOISE, 200, mode="edge")
    np.testing.assert_array_equal(crop, padded[200 + top : 248 + top, 200 + left : 248 + left])


@pytest.mark.parametrize("factor", [2, 3])
def test_a_larger_square_is_shrunk(factor: int) -> None:
    smooth = (np.add.outer(np.arange(200), np.arange(200)) // 2).astype(np.uint8)
    crop = face_crop(Image.fromarray(smooth), (8, 20, 48 * factor))
    blocks = smooth[20 : 20 + 48 * factor, 8 : 8 + 48 * factor].reshape(48, factor, 48, factor)
    np.testing.assert_allclose(crop[2:-2, 2:-2], blocks.mean(axis=(1, 3))[2:-2, 2:-2], atol=1.5)


def test_a_shift_of_half_a_pixel_moves_the_picture_by_half_a_pixel() -> None:
    ramp = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (100, 1))
    at = face_crop(Image.fromarray(ramp), (20, 20, 48)).astype(int)
    beside = face_crop(Image.fromarray(ramp), (20.5, 20, 48)).astype(int)
    np.testing.assert_allclose((beside - at)[:, 5:-5], 1, atol=0.6)


def test_the_square_follows_the_box() -> None:
    framing = Framing(side=0.9, centre=(0.1, -0.2))
    left, top, side = framing.square((10, 20, 50, 70))
    assert side == pytest.approx(45)
    assert left + side / 2 == pytest.approx(35 + 4.5)
    assert top + side / 2 == pytest.approx(55 - 9)


def test_a_square_of_no_size_is_one_pixel() -> None:
    crop = face_crop(Image.fromarray(NOISE), (7, 9, 0))
    assert (crop == NOISE[9, 7]).all()
