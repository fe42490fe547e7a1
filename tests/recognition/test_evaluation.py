"""Scores of a saved model on other data, against scikit-learn on the rows that count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from fer_fast.errors import DataError
from fer_fast.recognition import Recognizer
from fer_fast.recognition.evaluation import Answers, ask, evaluate, find_labelled_pictures

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def answers(names: list[str], seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    return Answers(rng.dirichlet(np.full(7, 0.5), len(names)).astype(np.float32), names)


def test_scores_are_scikit_learns_on_all_classes() -> None:
    names = [LABELS[i % 7] for i in range(300)]
    said = answers(names)
    found = evaluate(LABELS, said)
    best = [LABELS[i] for i in said.probabilities.argmax(axis=1)]
    assert found.scores.accuracy == pytest.approx(np.mean(np.array(names) == best))
    assert found.scores.f1_macro == pytest.approx(f1_score(names, best, average="macro"))
    np.testing.assert_array_equal(
        found.scores.confusion, confusion_matrix(names, best, labels=LABELS)
    )
    rows = said.probabilities[:, np.argsort(LABELS)].astype(float)
    expected = sklearn_log_loss(names, rows / rows.sum(axis=1, keepdims=True))
    assert found.log_loss == pytest.approx(expected, rel=1e-4)
    low, high = found.accuracy_interval
    assert low < found.scores.accuracy < high
    assert found.left_out == {}
    assert found.unused == ()


def test_only_classes_in_common_count_and_the_others_are_said() -> None:
    names = ["Happiness", "sad", "contempt", "HAPPY", "bored", "contempt", "neutral"] * 20
    said = answers(names)
    found = evaluate(LABELS, said)
    assert found.left_out == {"contempt": 40, "bored": 20}
    assert found.unused == ("angry", "disgust", "fear", "surprise")
    assert list(found.scores.per_class) == ["happy", "sad", "neutral"]
    kept = [row for row, name in enumerate(names) if name not in ("contempt", "bored")]
    common = [3, 4, 6]
    best = np.array(["happy", "sad", "neutral"])[said.probabilities[kept][:, common].argmax(axis=1)]
    true = [{"Happiness": "happy", "HAPPY": "happy"}.get(names[row], names[row]) for row in kept]
    assert found.scores.accuracy == pytest.approx(np.mean(best == np.array(true)))
    assert found.scores.rows == len(kept)


@pytest.mark.parametrize("names", [["bored", "contempt"], ["happy", "happy", "bored"]])
def test_too_few_classes_in_common_are_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match="at least two"):
        evaluate(LABELS, answers(names))


@pytest.fixture
def folder(tmp_path: Path, faces: NDArray[np.uint8]) -> Path:
    """Return a folder of 36 faces in three classes, a damaged file and a stray one."""
    root = tmp_path / "own"
    for row, face in enumerate(faces[2:38]):
        path = root / ("Happiness", "sad", "bored")[row % 3] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(path)
    (root / "sad" / "broken.jpg").write_bytes(b"no picture")
    (root / "sad" / "note.txt").write_text("no picture either")
    return root


def test_a_folder_of_classes_is_asked_picture_by_picture(
    folder: Path, expression_model: Path, faces: NDArray[np.uint8]
) -> None:
    recognizer = Recognizer(expression_model)
    pictures = find_labelled_pictures(folder, recognizer.info.labels)
    assert pictures is not None
    assert len(pictures.paths) == 37
    found = ask(recognizer, pictures, faces="none")
    assert (found.unread, found.unfound) == (1, 0)
    order = [int(path.stem) for path in pictures.paths if path.stem != "broken"]
    np.testing.assert_allclose(
        found.probabilities, recognizer.probabilities(faces[2:38][order]), atol=1e-5
    )
    assert found.names == [("Happiness", "sad", "bored")[row % 3] for row in order]


def test_a_folder_without_known_classes_is_none(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert find_labelled_pictures(tmp_path, LABELS) is None


def test_pictures_without_a_face_are_counted(
    tmp_path: Path, draw_face: Any, expression_model: Path
) -> None:
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        draw_face(200).save(tmp_path / name / "face.png")
    Image.new("L", (80, 80), 99).save(tmp_path / "sad" / "wall.png")
    pictures = find_labelled_pictures(tmp_path, LABELS)
    assert pictures is not None
    found = ask(Recognizer(expression_model), pictures, faces="largest")
    assert (len(found.names), found.unfound, found.unread) == (2, 1, 0)
    nothing = Answers(np.empty((0, len(LABELS))), [], unread=1, unfound=2)
    with pytest.raises(DataError, match="1 cannot be read, and in 2 no face is found"):
        evaluate(LABELS, nothing)


def test_a_class_that_is_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    for name in ("happy", ".thumbnails"):
        (tmp_path / name).mkdir()
        Image.new("L", (48, 48), 99).save(tmp_path / name / "face.png")
    found = find_labelled_pictures(tmp_path, LABELS)
    assert found is not None
    assert found.names == ["happy"]
    (tmp_path / "sad").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="sad is a link that leads nowhere"):
        find_labelled_pictures(tmp_path, LABELS)


def test_the_command_prints_and_writes_what_it_scored(
    run_cli: Any, expression_model: Path, folder: Path, tmp_path: Path
) -> None:
    done = run_cli(
        "evaluate", "--model", expression_model, "--data", folder, "--out", "scores.json"
    )
    assert done.returncode == 0, done.stderr
    assert "24 faces: accuracy" in done.stdout
    for words in ("bored (12)", "never answered", "1 pictures that cannot be read"):
        assert words in done.stderr
    document = json.loads((tmp_path / "scores.json").read_text())
    recognizer = Recognizer(expression_model)
    pictures = find_labelled_pictures(folder, recognizer.info.labels)
    assert pictures is not None
    expected = evaluate(recognizer.info.labels, ask(recognizer, pictures, faces="none"))
    assert document["scores"]["confusion"] == expected.scores.confusion
    assert document["accuracy_interval"] == pytest.approx(expected.accuracy_interval)
    assert document["model"]["run_id"] == "a-run"


def test_the_command_reads_what_the_pipeline_reads(
    run_cli: Any, expression_model: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    lines = ["emotion,pixels,Usage"]
    for row, face in enumerate(faces):
        usage = ("Training", "PublicTest", "PrivateTest")[row % 3]
        lines.append(f"{row % 7},{' '.join(map(str, face.ravel()))},{usage}")
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    done = run_cli("evaluate", "--model", expression_model, "--data", "faces.csv")
    assert done.returncode == 0, done.stderr
    assert "13 faces: accuracy" in done.stdout
    done = run_cli("evaluate", "--model", expression_model, "--data", "faces.csv", "--split", "all")
    assert "40 faces: accuracy" in done.stdout
    done = run_cli(
        "evaluate", "--model", expression_model, "--data", "faces.csv", "--faces", "largest"
    )
    assert done.returncode == 2
    assert "cut out already" in done.stderr


def test_the_command_scores_on_the_voters_majority(
    run_cli: Any, expression_model: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    lines = ["emotion,pixels,Usage"]
    votes = [
        "Usage,Image name,happiness,sadness,contempt,NF,neutral,surprise,anger,disgust,fear,unknown"
    ]
    for row, face in enumerate(faces):
        usage = {0: "Training", 3: "PublicTest"}.get(row, "PrivateTest")
        lines.append(f"0,{' '.join(map(str, face.ravel()))},{usage}")
        votes.append(f"{usage},,{('9,1,0', '1,9,0', '0,1,9', '5,5,0')[row % 4]},0,0,0,0,0,0,0")
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "votes.csv").write_text("\n".join(votes) + "\n")
    command = ("evaluate", "--model", expression_model, "--data", "faces.csv", "--labels")
    done = run_cli(*command, "ferplus=votes.csv", "--out", "scores.json")
    assert done.returncode == 0, done.stderr
    assert "contempt (10)" in done.stderr
    document = json.loads((tmp_path / "scores.json").read_text())
    assert {name: one["support"] for name, one in document["scores"]["per_class"].items()} == {
        "happy": 9,
        "sad": 10,
    }
    assert document["protocol"] == "PrivateTest rows, FER+'s labels"
    done = run_cli(*command, "votes.csv")
    assert done.returncode == 2
    assert "ferplus=" in done.stderr
