"""What a data set of faces can do by itself."""

from dataclasses import replace

import numpy as np
import pytest

from fer_fast.faces.dataset import Split


@pytest.mark.parametrize("split", Split)
def test_the_mirror_images_of_a_split_keep_its_labels(faces, split):
    # Mixed, so that a split's rows are not a slice.
    mixed = replace(faces, splits=np.random.default_rng(4).permutation(faces.splits))
    mirrored = mixed.mirrored(split)
    rows = mixed.rows(split)
    assert len(mirrored) == len(rows)
    for face, row in zip(mirrored.pixels, rows, strict=True):
        np.testing.assert_array_equal(face, np.fliplr(mixed.pixels[row]))
    np.testing.assert_array_equal(mirrored.labels, mixed.labels[rows])
    assert (mirrored.splits == split).all()
    assert mirrored.pixels.flags.c_contiguous
    assert mirrored.digest != mixed.digest
