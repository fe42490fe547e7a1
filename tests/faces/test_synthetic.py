"""The synthetic default: the same everywhere, shaped like FER-2013, learnable but not trivially."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import blank_images, duplicate_groups
from fer_fast.faces.synthetic.generator import synthetic_faces

FER2013_COUNTS = np.array([4953, 547, 5121, 8989, 6077, 4002, 6198])


@pytest.fixture(scope="module")
def drawn() -> FaceDataset:
    return synthetic_faces()


def test_the_same_bytes_on_every_machine(drawn):
    assert drawn.digest == "e0c8e3046de1ca392e91952bbe4288d6ce5113643b6e9b3f061746787a51969a"


def test_another_seed_draws_other_faces(drawn):
    other = synthetic_faces(seed=1)
    assert not np.array_equal(other.labels, drawn.labels)
    together = FaceDataset(
        np.concatenate([drawn.pixels, other.pixels]),
        np.concatenate([drawn.labels, other.labels]),
        np.concatenate([drawn.splits, other.splits]),
        "both",
    )
    assert len(np.unique(duplicate_groups(together))) == len(drawn) + len(other)


def test_has_fer2013s_proportions(drawn):
    assert drawn.synthetic
    assert [len(drawn.rows(split)) for split in Split] == [2400, 300, 300]
    for split in Split:
        counts = np.array(list(drawn.class_counts(split).values()))
        expected = FER2013_COUNTS / FER2013_COUNTS.sum() * counts.sum()
        assert np.all(np.abs(counts - expected) <= 1)


def test_no_face_is_blank_or_drawn_twice(drawn):
    assert not blank_images(drawn).any()
    assert len(np.unique(duplicate_groups(drawn))) == len(drawn)


def test_expressions_can_be_learnt_but_not_perfectly(drawn):
    X = drawn.pixels.reshape(len(drawn), -1)
    fit, decide = drawn.rows(Split.TRAINING), drawn.rows(Split.PUBLIC_TEST)
    forest = RandomForestClassifier(60, random_state=0, n_jobs=2)
    forest.fit(X[fit], drawn.labels[fit])
    assert 0.40 < forest.score(X[decide], drawn.labels[decide]) < 0.85
