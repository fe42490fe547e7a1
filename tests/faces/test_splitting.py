"""The validation split taken from the training rows."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import duplicate_groups
from fer_fast.faces.splitting import with_validation_split
from fer_fast.faces.synthetic.generator import synthetic_faces


def train_and_test_of(seed: int, n_images: int, copies: float) -> FaceDataset:
    """Return random faces without validation rows, a share of which are copies of others."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n_images, 48, 48), dtype=np.uint8)
    rows = np.concatenate([np.arange(n_images), rng.integers(0, n_images, int(copies * n_images))])
    return FaceDataset(
        pixels=images[rows],
        labels=rng.integers(0, 7, len(rows), dtype=np.uint8),
        splits=rng.choice(np.array([0, 0, 0, 2], np.uint8), len(rows)),
        source="random faces",
    )


DATASETS = st.builds(
    train_and_test_of, st.integers(0, 99), st.integers(1, 150), st.floats(0, 1, width=16)
)


@settings(max_examples=50)
@given(DATASETS)
def test_moves_training_rows_alone_and_keeps_equal_images_together(dataset):
    divided = with_validation_split(dataset)
    moved = divided.splits != dataset.splits
    assert np.all(dataset.splits[moved] == Split.TRAINING)
    assert np.all(divided.splits[moved] == Split.PUBLIC_TEST)
    groups = duplicate_groups(dataset)
    assert not set(groups[divided.rows(Split.TRAINING)]) & set(groups[moved])


@settings(max_examples=50)
@given(DATASETS, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_rows(dataset, chance):
    # Of equal images under several labels the first decides, so let labels follow images.
    groups = duplicate_groups(dataset)
    dataset = replace(dataset, labels=(groups % 7).astype(np.uint8))
    order = np.array(chance.sample(range(len(dataset)), len(dataset)))
    shuffled = FaceDataset(
        dataset.pixels[order], dataset.labels[order], dataset.splits[order], dataset.source
    )
    expected = with_validation_split(dataset).splits[order]
    assert np.array_equal(with_validation_split(shuffled).splits, expected)


def test_takes_a_ninth_of_every_label():
    drawn = synthetic_faces()
    dataset = replace(drawn, splits=np.where(drawn.splits == 1, 0, drawn.splits).astype(np.uint8))
    whole = dataset.class_counts(Split.TRAINING)
    moved = with_validation_split(dataset).class_counts(Split.PUBLIC_TEST)
    assert moved == {label: count // 9 for label, count in whole.items()}
