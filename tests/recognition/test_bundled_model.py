"""The model that comes with the package: what it says of itself, and that it is true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, recall_score

from fer_fast.classifier.calibration import calibration_error, log_loss
from fer_fast.errors import FerFastError
from fer_fast.faces.dataset import Split
from fer_fast.faces.duplicates import shared_across_splits
from fer_fast.faces.ferplus import majority_labels, vote_shares
from fer_fast.faces.labels import FER2013
from fer_fast.faces.loading import load_faces
from fer_fast.recognition import ModelInfo, Recognizer
from fer_fast.recognition.card import BUNDLED_CARD, figures, with_figures
from fer_fast.recognition.recognizer import BUNDLED_MODEL

LARGEST = 15_000_000
DRAWN = Path(__file__).parents[2] / "docs" / "drawn-face.png"
"""A drawn face, surprised as a child would draw it."""


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def test_it_is_small_and_says_fer2013s_expressions(recognizer: Recognizer) -> None:
    assert BUNDLED_MODEL.stat().st_size <= LARGEST
    assert recognizer.info.labels == FER2013.names


def test_it_finds_and_judges_a_drawn_face(recognizer: Recognizer, draw_face: Any) -> None:
    (surprised,), (serious,) = recognizer.predict([DRAWN, draw_face(300, smiling=False)])
    assert surprised.label == "surprise"
    assert surprised.probabilities["surprise"] > 2 * serious.probabilities["surprise"]


def test_probabilities_of_any_face_are_shares(
    recognizer: Recognizer, faces: NDArray[np.uint8]
) -> None:
    said = recognizer.probabilities(faces)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert said.min() > 0
    mirrored = recognizer.probabilities(np.ascontiguousarray(faces[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, said, atol=1e-4)


def test_its_metadata_lack_nothing(recognizer: Recognizer) -> None:
    info = recognizer.info
    assert all(len(digest) == 64 for digest in (info.data_digest, info.backbone_digest))
    assert info.version
    assert info.license
    assert {"head", "movement", "prior_correction", "training_faces"} <= info.parameters.keys()
    assert {"temperature", "error_before", "error_after"} <= info.calibration.keys()
    assert {"protocol", "data", "test", "test_deduplicated", "own_labels"} <= info.scores.keys()
    for block in (info.scores, info.scores["own_labels"]):
        for rows in ("test", "test_deduplicated"):
            assert {"rows", "accuracy", "f1_macro", "recall_macro"} <= block[rows].keys()
            assert tuple(block[rows]["per_class"]) == info.labels


def test_the_cards_figures_are_the_files(recognizer: Recognizer) -> None:
    card = BUNDLED_CARD.read_text(encoding="utf-8")
    assert with_figures(card, recognizer.info) == card
    assert f"{recognizer.info.scores['test']['accuracy']:.3f}" in card


def test_it_starts_without_scikit_learn_and_tensorflow(tmp_path: Path) -> None:
    for package in ("sklearn", "scipy", "tensorflow", "keras", "tf2onnx", "onnx", "joblib"):
        (tmp_path / f"{package}.py").write_text("raise ImportError(__name__)\n")
    program = (
        "import sys\n"
        "from fer_fast import Recognizer\n"
        "print(Recognizer().predict(sys.argv[1])[0].label)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(DRAWN)], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "surprise\n"), done.stderr


def test_predict_needs_a_picture_and_nothing_else(run_cli: Any) -> None:
    done = run_cli("predict", DRAWN)
    assert done.returncode == 0, done.stderr
    assert "surprise" in done.stdout


def test_the_command_prints_the_card(run_cli: Any) -> None:
    done = run_cli("model")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == BUNDLED_CARD.read_text(encoding="utf-8")


def test_the_command_prints_what_another_model_says_of_itself(
    run_cli: Any, expression_model: Path
) -> None:
    done = run_cli("model", expression_model)
    assert done.returncode == 0, done.stderr
    assert "| run | a-run |" in done.stdout
    assert "Protocol: none." in done.stdout
    done = run_cli("model", "missing.onnx")
    assert done.returncode == 2
    assert "there is no model" in done.stderr


def test_figures_show_scores_as_far_as_there_are_some() -> None:
    scores = {
        "protocol": "p",
        "data": "D",
        "test": {"rows": 10, "accuracy": 0.5},
        "own_labels": {"data": "E", "test_deduplicated": {"rows": 8, "accuracy": 0.25}},
    }
    text = figures(ModelInfo(("a", "b"), scores=scores, calibration={"temperature": 1.25}))
    assert "| D | all | 10 | 0.500 | – |" in text
    assert "| E | without duplicates | 8 | 0.250 | – |" in text
    assert "| temperature | 1.25 |" in text
    assert "accuracy" not in figures(ModelInfo(("a", "b"), scores={"test": "none"}))


def test_a_card_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(FerFastError, match="no place for figures"):
        with_figures("# A card\n<!-- figures -->\n", ModelInfo(("a", "b")))


@pytest.mark.real_data
def test_the_file_scores_what_its_card_says(
    recognizer: Recognizer, fer2013: Path, ferplus: Path
) -> None:
    dataset = load_faces(fer2013)
    assert dataset.digest == recognizer.info.data_digest
    test = dataset.rows(Split.PRIVATE_TEST)
    said = recognizer.probabilities(dataset.pixels[test])
    shared = shared_across_splits(dataset)[test]
    scores = recognizer.info.scores
    for block, labels in (
        (scores, majority_labels(dataset, ferplus)[test]),
        (scores["own_labels"], dataset.labels[test].astype(int)),
    ):
        known = (labels >= 0) & (labels < 7)
        for rows, kept in (("test", known), ("test_deduplicated", known & ~shared)):
            found = block[rows]
            y_true, y_pred = labels[kept], said[kept].argmax(axis=1)
            assert found["rows"] == kept.sum()
            # Another processor may tip a face on the fence.
            for name, value in (
                ("accuracy", accuracy_score(y_true, y_pred)),
                ("f1_macro", f1_score(y_true, y_pred, average="macro")),
                ("recall_macro", recall_score(y_true, y_pred, average="macro")),
            ):
                assert found[name] == pytest.approx(value, abs=0.005), (rows, name)
    shares = vote_shares(dataset, ferplus)[test]
    own = ~shared & (shares.sum(axis=1) > 0)
    calibration = recognizer.info.calibration
    assert calibration["log_loss_after"] == pytest.approx(log_loss(said[own], shares[own]), 0.01)
    assert calibration["error_after"] == pytest.approx(
        calibration_error(said[own], shares[own]), abs=0.005
    )
