"""The stages in their order: which rows each one sees, and what it is given."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.metrics import f1_score

from fer_fast.backbone.weights import Weights
from fer_fast.classifier.scores import HeldOutScores, score
from fer_fast.errors import DataError, ParameterError
from fer_fast.experiment import run_pipeline
from fer_fast.faces.dataset import SPLIT_NAMES, FaceDataset, Split
from fer_fast.faces.labels import FER2013
from fer_fast.faces.readers.npz import save_npz
from fer_fast.features import extract, mirrored_features
from fer_fast.forest.subset import SubsetForests
from fer_fast.settings import PRESETS, Settings


@pytest.fixture
def dataset() -> FaceDataset:
    """Return faces in splits that are mixed, so that a split's rows are not a slice.

    The four classes differ in size and in how bright their upper half is, hardly beyond the noise.
    Of the test faces, eight stand in another split too, and four twice in their own; of those of
    PublicTest, four stand in Training.
    """
    rng = np.random.default_rng(4)
    labels = rng.choice(4, 160, p=[0.5, 0.25, 0.15, 0.1]).astype(np.uint8)
    pixels = rng.integers(0, 150, (160, 48, 48)).astype(np.uint8)
    pixels[:, :24] += (labels * 2)[:, None, None]
    splits = rng.permutation(np.repeat(list(Split), [80, 30, 50])).astype(np.uint8)
    training, validation, test = (np.flatnonzero(splits == split) for split in Split)
    copies = np.concatenate([test[:12], validation[10:14]])
    originals = np.concatenate([training[:4], validation[:4], test[20:24], training[10:14]])
    pixels[copies], labels[copies] = pixels[originals], labels[originals]
    return FaceDataset(pixels, labels, splits, "few")


@pytest.fixture
def parameters(
    dataset: FaceDataset,
    random_weights: Weights,
    shared_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    models, cache = shared_cache / "models", tmp_path / "cache"
    for folder in (models, cache):
        folder.mkdir(exist_ok=True)
    (cache / "models").symlink_to(models)
    monkeypatch.setenv("FER_FAST_CACHE", str(cache))
    save_npz(dataset, tmp_path / "few.npz")
    return {
        "data": tmp_path / "few.npz",
        "weights": random_weights.path,
        "size": 32,
        "device": "cpu",
        "balance": "none",
        "ants": 3,
        "iterations": 1,
        "max_features": 40,
        "trees": 10,
        "jobs": 1,
    }


def _scored_twice(dataset: FaceDataset, predicted: NDArray[np.int64]) -> HeldOutScores:
    """Score predictions for the test rows, finding those that stand elsewhere in a dictionary."""
    splits_of = defaultdict(set)
    for face, split in zip(dataset.pixels, dataset.splits, strict=True):
        splits_of[face.tobytes()].add(split)
    test = dataset.rows(Split.PRIVATE_TEST)
    own = [len(splits_of[face.tobytes()]) == 1 for face in dataset.pixels[test]]
    y = dataset.labels[test]
    return HeldOutScores(
        score(y, predicted, FER2013.names), score(y[own], predicted[own], FER2013.names)
    )


def test_every_published_score_is_that_of_plain_scikit_learn(
    dataset: FaceDataset, parameters: dict[str, Any]
) -> None:
    settings = Settings(
        **parameters
        | {
            "balance": "smote",
            "fitness": "sklearn",
            "forest": "sklearn",
            "fitness_rows": 0,
            "scoring": "f1_macro",
            "seed": 6,
        }
    )
    result = run_pipeline(settings)
    X = extract(settings).X
    training, validation, test = (dataset.rows(split) for split in Split)
    y = dataset.labels.astype(np.int64)
    X_balanced, y_balanced = SMOTE(random_state=6).fit_resample(X[training], y[training])
    assert len(y_balanced) > len(training)

    def predict(columns: NDArray[np.int64], rows: NDArray[np.intp]) -> NDArray[np.int64]:
        forest = RandomForestClassifier(10, random_state=6)
        forest.fit(X_balanced[:, columns], y_balanced)
        predicted: NDArray[np.int64] = forest.predict(X[rows][:, columns])
        return predicted

    chosen = result.search.subset
    varying = np.flatnonzero(np.ptp(X[training], axis=0) > 0)
    F = f_classif(X[training][:, varying].astype(np.float64), y[training])[0]
    drawn = np.sort(np.random.default_rng(6).choice(X.shape[1], len(chosen), replace=False))
    k_best = np.sort(varying[np.argsort(-F, kind="stable")[: len(chosen)]])
    expected = {
        name: _scored_twice(dataset, predict(columns, test))
        for name, columns in (
            ("chosen", chosen),
            ("all_features", np.arange(X.shape[1])),
            ("k_best", k_best),
            ("random", drawn),
        )
    }
    assert result.scores == expected.pop("chosen")
    assert result.baselines == expected
    # Faces that stand in Training decide nothing.
    own = np.delete(validation, range(10, 14))
    decided = f1_score(y[own], predict(chosen, own), average="macro")
    assert result.search.score == pytest.approx(decided)
    # The comparisons mean something: no two of the scores are the same.
    evaluations = [result.scores, *result.baselines.values()]
    scores = [s for e in evaluations for s in (e.test, e.test_deduplicated)]
    assert len({s.f1_macro for s in scores}) == len(scores)
    assert [s.rows for s in scores] == [50, 42] * 4


def test_without_a_head_training_alone_chooses_the_features(
    dataset: FaceDataset, parameters: dict[str, Any], tmp_path: Path
) -> None:
    result = run_pipeline(Settings(**parameters))
    rng = np.random.default_rng(0)
    pixels, labels = dataset.pixels.copy(), dataset.labels.copy()
    others = dataset.splits != Split.TRAINING
    pixels[others] = rng.integers(0, 256, pixels[others].shape)
    labels[others] = rng.integers(0, 4, others.sum())
    save_npz(replace(dataset, pixels=pixels, labels=labels), tmp_path / "other.npz")
    other = run_pipeline(Settings(**parameters | {"data": tmp_path / "other.npz"}))
    np.testing.assert_array_equal(result.search.subset, other.search.subset)
    assert list(result.search.history) == list(other.search.history)
    assert result.search.history[0]["credited"] == 3
    assert result.scores.test.accuracy != other.scores.test.accuracy


def test_ferplus_labels_are_learnt_and_the_datas_own_scored_beside_them(
    dataset: FaceDataset, parameters: dict[str, Any], tmp_path: Path
) -> None:
    # Of every ten faces one is undecided; the others are a class further, or contempt.
    code = np.where(np.arange(160) % 4 == 1, 7, dataset.labels + 1)
    votes = np.zeros((160, 10), int)
    votes[np.arange(160), code] = 9
    undecided = np.arange(160) % 10 == 0
    votes[undecided] = 1
    columns = "anger,disgust,fear,happiness,sadness,surprise,neutral,contempt,unknown,NF"
    usage = [SPLIT_NAMES[Split(split)] for split in dataset.splits]
    rows = [f"{name},{','.join(map(str, row))}" for name, row in zip(usage, votes, strict=True)]
    path = tmp_path / "votes.csv"
    path.write_text("\n".join([f"Usage,{columns}", *rows]))
    settings = Settings(**parameters | {"labels": f"ferplus={path}"})
    result = run_pipeline(settings)
    features = extract(settings)
    test = np.flatnonzero((dataset.splits == Split.PRIVATE_TEST) & ~undecided)
    predicted = result.classifier.predict(features.X[features.dataset.rows(Split.PRIVATE_TEST)])
    for scores, y in ((result.scores, code), (result.scores.own_labels, dataset.labels)):
        assert scores is not None
        assert scores.test == score(y[test], predicted, (*FER2013.names, "contempt"))
        assert scores.test_deduplicated.rows < scores.test.rows == len(test)
    assert 7 in predicted
    assert all(scores.own_labels is not None for scores in result.baselines.values())


def test_folders_of_other_classes_are_learnt_under_their_names(
    parameters: dict[str, Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    for split, count in (("train", 12), ("test", 5)):
        for tone, name in ((60, "awake"), (160, "asleep")):
            folder = tmp_path / "drivers" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                picture = rng.integers(tone - 50, tone + 50, (60, 50)).astype(np.uint8)
                Image.fromarray(picture).save(folder / f"{number}.png")
    result = run_pipeline(Settings(**parameters | {"data": tmp_path / "drivers"}))
    assert tuple(result.scores.test.per_class) == ("asleep", "awake")
    assert result.scores.test.rows == 10
    assert [one.support for one in result.scores.test.per_class.values()] == [5, 5]
    assert result.scores.own_labels is None


def test_forests_are_fitted_on_mirror_images_too_and_tested_on_what_they_were(
    dataset: FaceDataset, parameters: dict[str, Any]
) -> None:
    settings = Settings(**parameters, mirror=True)
    result = run_pipeline(settings)
    features = extract(settings)
    training, test = dataset.rows(Split.TRAINING), dataset.rows(Split.PRIVATE_TEST)
    X_mirrored = features.session.features(dataset.pixels[training][:, :, ::-1].copy())
    np.testing.assert_array_equal(mirrored_features(features, settings), X_mirrored)

    y = dataset.labels.astype(np.int64)
    expected = SubsetForests(
        np.vstack([features.X[training], X_mirrored]),
        np.concatenate([y[training], y[training]]),
        n_estimators=10,
    ).fit(result.classifier.subset)
    X_test = features.X[test]
    np.testing.assert_array_equal(result.classifier.predict(X_test), expected.predict(X_test))
    assert result.scores.test == score(y[test], expected.predict(X_test), FER2013.names)
    assert result.scores.test.rows == len(test)
    assert result.dataset.digest == dataset.digest
    # Faces, and the mirror images of Training: each once in the cache.
    cache = parameters["data"].parent / "cache" / "features"
    shapes = sorted(np.load(path, mmap_mode="r").shape[0] for path in cache.glob("*.npy"))
    assert shapes == [len(training), len(dataset)]


def test_test_faces_that_all_stand_elsewhere_are_refused_before_the_search(
    parameters: dict[str, Any], tmp_path: Path
) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (40, 48, 48)).astype(np.uint8)
    pixels[30:] = pixels[:10]
    labels = (np.arange(40) % 4).astype(np.uint8)
    splits = np.repeat(list(Split), [20, 10, 10]).astype(np.uint8)
    save_npz(FaceDataset(pixels, labels, splits, "copies"), tmp_path / "copies.npz")
    kept: list[int] = []
    with pytest.raises(DataError, match=r"copies\.npz has no test face"):
        run_pipeline(
            Settings(**parameters | {"data": tmp_path / "copies.npz"}),
            keep_selection=lambda *_: kept.append(1),
        )
    assert not kept


def test_training_faces_of_one_class_are_refused(
    dataset: FaceDataset, parameters: dict[str, Any]
) -> None:
    labels = np.where(dataset.splits == Split.TRAINING, 3, dataset.labels).astype(np.uint8)
    save_npz(replace(dataset, labels=labels), parameters["data"])
    with pytest.raises(DataError, match=r"all training faces of .*few\.npz are happy"):
        run_pipeline(Settings(**parameters))


@pytest.mark.parametrize("balance", ["none", "smote"])
def test_nothing_but_the_scores_depends_on_the_test_faces(
    dataset: FaceDataset, parameters: dict[str, Any], tmp_path: Path, balance: str
) -> None:
    test = dataset.rows(Split.PRIVATE_TEST)
    blank, labels = dataset.pixels.copy(), dataset.labels.copy()
    blank[test], labels[test] = 0, (labels[test] + 1) % 4
    save_npz(FaceDataset(blank, labels, dataset.splits, "blanked"), tmp_path / "blanked.npz")
    as_given, blanked = (
        run_pipeline(Settings(**parameters | {"data": path, "balance": balance}))
        for path in (parameters["data"], tmp_path / "blanked.npz")
    )
    assert as_given.dataset.digest != blanked.dataset.digest
    np.testing.assert_array_equal(as_given.search.subset, blanked.search.subset)
    assert as_given.search.history == blanked.search.history
    X = extract(Settings(**parameters)).X
    np.testing.assert_array_equal(
        as_given.classifier.predict_proba(X, 7), blanked.classifier.predict_proba(X, 7)
    )
    assert as_given.calibration.calibration == blanked.calibration.calibration


def test_every_score_is_of_the_test_faces_in_whatever_order(
    dataset: FaceDataset, parameters: dict[str, Any], tmp_path: Path
) -> None:
    test = dataset.rows(Split.PRIVATE_TEST)
    order = np.arange(len(dataset))
    order[test] = np.random.default_rng(0).permutation(test)
    moved = FaceDataset(dataset.pixels[order], dataset.labels[order], dataset.splits, "moved")
    save_npz(moved, tmp_path / "moved.npz")
    first, second = (
        run_pipeline(Settings(**parameters | {"data": path}))
        for path in (parameters["data"], tmp_path / "moved.npz")
    )
    assert first.dataset.digest != second.dataset.digest
    assert first.scores == second.scores
    # The best by F and all features too: their forests have seen no more.
    assert first.baselines == second.baselines


def test_a_run_with_a_head_is_the_forest_on_the_heads_features(
    dataset: FaceDataset, parameters: dict[str, Any]
) -> None:
    small = {"size": 64, "taps": ("block_13_expand_relu",), "max_features": None}
    small |= {"head_members": 2, "head_epochs": 2}
    settings = Settings(**PRESETS["best"] | parameters | small | {"iterations": 2})
    result = run_pipeline(settings)
    runtime = onnxruntime.InferenceSession(result.model)
    (X,) = runtime.run(["features"], {"pixels": dataset.pixels})
    assert (settings.head, result.classifier.n_features) == ("dense", X.shape[1])
    # The forest that the run scored says the same of the features that the file computes.
    test = dataset.rows(Split.PRIVATE_TEST)
    assert result.scores == _scored_twice(dataset, result.classifier.predict(X[test]))
    # Batches of another size round differently, which may move a face across a cut.
    training = dataset.rows(Split.TRAINING)
    assert len(result.search.subset) <= (X.shape[1] + 1) // 2
    y_training = dataset.labels[training].astype(np.int64)
    forests = SubsetForests(X[training], y_training, n_estimators=10)
    expected = forests.fit(result.search.subset)
    agreement = expected.predict(X[test]) == result.classifier.predict(X[test])
    assert agreement.mean() > 0.9
    assert result.timings["head"] > 0


def test_a_search_without_end_stops_at_its_time_budget(parameters: dict[str, Any]) -> None:
    # Ants that draw 40 features each repeat no subset, so that the search does not converge before.
    settings = Settings(
        **parameters | {"iterations": 1_000_000, "q0": 0.0, "min_features": 40}, time_budget=2.0
    )
    result = run_pipeline(settings)
    assert result.search.stopped_by == "time_budget"
    assert result.search.history[-1]["iteration"] + 1 < settings.iterations
    np.testing.assert_array_equal(result.classifier.subset, result.search.subset)


@pytest.mark.parametrize("budget", [0.0, 0.05])
def test_a_time_budget_cuts_even_the_first_evaluation(
    parameters: dict[str, Any], budget: float
) -> None:
    # So many trees take seconds: uncut, the evaluation would give a score in the end.
    settings = Settings(**parameters | {"ants": 1, "trees": 20_000}, time_budget=budget)
    with pytest.raises(ParameterError, match=f"time_budget is {budget:g} s, .* before the first"):
        run_pipeline(settings)
