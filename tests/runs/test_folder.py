"""A run's folder holds the files of one run, each of which names it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from fer_fast.classifier.calibration import CalibrationReport, Temperature
from fer_fast.classifier.scores import score_held_out
from fer_fast.errors import OutputError, ParameterError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.faces.labels import FER2013
from fer_fast.forest.hist_forest import HistForestClassifier
from fer_fast.forest.subset import SubsetClassifier
from fer_fast.recognition.model import ExpressionModel
from fer_fast.runs.folder import RunFolder, new_run_id
from fer_fast.runs.predictions import TestPredictions
from fer_fast.runs.result import RunResult
from fer_fast.selection.search import Search
from fer_fast.settings import Settings, read_config

MakeResult = Callable[..., RunResult]
SELECTION = np.array([1, 3, 4])
WRITTEN = {"config.toml", *RunFolder.RESULTS}
"""What a run without a search writes."""


@pytest.fixture(scope="module")
def make_result(plain_backbone: Path) -> MakeResult:
    """Return a function that makes a small run, fitted on nothing but noise and six classes."""
    rng = np.random.default_rng(0)
    X, y = rng.random(size=(60, 3)), rng.integers(0, 6, 60)
    forest = HistForestClassifier(4, random_state=0).fit(X, y)
    predicted, alone = forest.predict(X), np.zeros(60, bool)
    scores = score_held_out(y, predicted, alone, FER2013.names)
    probabilities = np.zeros((60, 7), np.float32)
    probabilities[:, :6] = forest.predict_proba(X)
    random = rng.integers(0, 6, 60)

    def make(**settings: object) -> RunResult:
        return RunResult(
            settings=Settings(**settings),
            dataset=FaceDataset(
                np.zeros((3, 48, 48), np.uint8),
                np.arange(3, dtype=np.uint8),
                np.arange(3, dtype=np.uint8),
                "none",
            ),
            device="cpu",
            model=plain_backbone,
            model_digest="0" * 64,
            classifier=SubsetClassifier(forest, SELECTION, 48 * 48),
            scores=scores,
            channels=None,
            calibration=CalibrationReport(Temperature(1.3, 1e-3), 0.2, 0.1),
            baselines={
                name: score_held_out(y, random, alone, FER2013.names)
                for name in ("all_features", "k_best", "random")
            },
            predictions=TestPredictions(
                np.arange(60),
                y,
                alone,
                predicted,
                probabilities,
                dict.fromkeys(("all_features", "k_best", "random"), random),
            ),
            fitted_counts=dict.fromkeys(FER2013.names, 10),
            warnings=(),
            search=Search(SELECTION, 0.5, [], "iterations", np.ones(48 * 48)),
            timings={"data": 1.0},
        )

    return make


def ids_in(folder: Path) -> dict[str, str]:
    """Return the run that each file of a folder names."""
    comment = (folder / "config.toml").read_text(errors="surrogateescape").splitlines()[0]
    named_in_page = re.search(r"\d{8}T\d{6}-[0-9a-f]{8}", (folder / "report.html").read_text())
    assert named_in_page is not None
    with np.load(folder / "predictions.npz") as predictions:
        named_in_predictions = str(predictions["run_id"])
    metadata = {one.key: one.value for one in onnx.load(folder / "model.onnx").metadata_props}
    return {
        "metrics.json": json.loads((folder / "metrics.json").read_text())["run_id"],
        "config.toml": comment.removeprefix("# fer-fast run "),
        "selection.json": json.loads((folder / "selection.json").read_text())["run_id"],
        "model.onnx": metadata["fer_fast.run_id"],
        "predictions.npz": named_in_predictions,
        "report.html": named_in_page[0],
    }


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_file_names_its_run(make_result: MakeResult, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save(make_result())
    assert ids_in(tmp_path) == dict.fromkeys(WRITTEN, folder.run_id)
    assert names_in(tmp_path) == WRITTEN


def test_runs_have_names_of_their_own_that_begin_with_the_time() -> None:
    names = {new_run_id() for _ in range(200)}
    assert len(names) == 200
    assert all(re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{8}", name) for name in names)


def test_a_second_run_moves_the_files_of_the_first_aside(
    make_result: MakeResult, tmp_path: Path
) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.save(make_result(seed=1))
    second.save(make_result(seed=2))
    assert ids_in(tmp_path) == dict.fromkeys(WRITTEN, second.run_id)
    aside = tmp_path / f"previous-{first.run_id}"
    assert ids_in(aside) == dict.fromkeys(WRITTEN, first.run_id)
    assert read_config(aside / "config.toml")["seed"] == 1
    assert names_in(tmp_path) == {*WRITTEN, aside.name}


def test_a_run_that_ends_early_leaves_no_file_of_another_beside_its_own(
    make_result: MakeResult, tmp_path: Path
) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    first.save(make_result())
    second.create()
    # Nothing is moved for a run that has nothing to write yet.
    assert names_in(tmp_path) == WRITTEN
    second.save_selection(SELECTION, 9, complete=False)
    assert names_in(tmp_path) == {"selection.json", f"previous-{first.run_id}"}


def test_two_runs_at_once_never_mix(make_result: MakeResult, tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path), RunFolder(tmp_path)
    for folder in (first, second):
        folder.save_selection(SELECTION, 9)
    for folder in (first, second):
        folder.save(make_result())
        assert ids_in(tmp_path) == dict.fromkeys(WRITTEN, folder.run_id)


def test_files_that_name_no_run_are_named_by_their_time(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    os.utime(tmp_path / "metrics.json", (0, 0))
    RunFolder(tmp_path).save_selection(SELECTION, 9)
    assert names_in(tmp_path) == {"selection.json", "previous-19700101T000000"}


def test_what_is_no_file_of_a_run_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "selection.json").write_text("damaged")
    RunFolder(tmp_path).save_selection(SELECTION, 9)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_saved_model_says_what_forest_and_calibration_say(
    make_result: MakeResult, tmp_path: Path
) -> None:
    folder, result = RunFolder(tmp_path), make_result(data=tmp_path / "private.csv", seed=3)
    folder.save(result)
    faces = np.random.default_rng(1).integers(0, 256, (200, 48, 48), dtype=np.uint8)
    model = ExpressionModel(folder.model)
    probabilities, labels = model.run(faces)
    X = faces.reshape(len(faces), -1).astype(np.float32) / 255
    said = result.calibration.calibration.apply(result.classifier.predict_proba(X, 7))
    np.testing.assert_allclose(probabilities, said, atol=1e-6)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=1))
    assert model.info.labels == FER2013.names
    assert model.info.parameters["seed"] == 3
    assert model.info.scores["test"]["accuracy"] == result.scores.test.accuracy
    assert "private.csv" not in str(model.info)


def test_a_path_that_is_no_text_costs_no_file(make_result: MakeResult, tmp_path: Path) -> None:
    data = Path(os.fsdecode(b"/faces/\xff\xfe.csv"))
    folder = RunFolder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    folder.create()
    folder.save(make_result(data=data, out=folder.path))
    assert read_config(folder.config)["data"] == data
    assert json.loads(folder.metrics.read_text())["parameters"]["data"] == str(data)


def test_a_folder_that_takes_no_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder"):
        RunFolder(tmp_path / "file" / "below").create()


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from fer_fast.runs.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).owned():\n    print('mine', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(ParameterError, match="another fer-fast is running in"):
            RunFolder(tmp_path).owned().__enter__()
    finally:
        other.kill()
        other.communicate()
    # Killed, it holds nothing any more.
    with RunFolder(tmp_path).owned():
        pass


def test_what_a_killed_process_had_half_written_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".fer-fast-model-01234567.onnx").write_bytes(b"half")
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    with RunFolder(tmp_path).owned():
        assert names_in(tmp_path) == {"mine.onnx"}


def test_a_run_is_found_again_by_its_folder(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.begin(Settings(seed=4))
    found = RunFolder.of_earlier_run(tmp_path)
    assert found.run_id == folder.run_id
    assert not found.is_complete
    for name in RunFolder.RESULTS:
        (tmp_path / name).touch()
    assert found.is_complete


@pytest.mark.parametrize("config", [None, "", "[run]\nseed = 1\n", "# fer-fast run ../../x\n"])
def test_a_folder_without_a_run_cannot_be_resumed(config: str | None, tmp_path: Path) -> None:
    if config is not None:
        (tmp_path / "config.toml").write_text(config)
    with pytest.raises(ParameterError, match=r"cannot resume .*: its config\.toml"):
        RunFolder.of_earlier_run(tmp_path)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, "{}", '{"run_id": "../../elsewhere"}', '{"run_id": ["a"]}', "\0"]
)
def test_files_that_name_no_run_are_moved_aside_by_their_time(tmp_path: Path, content: str) -> None:
    path = tmp_path / "run" / "selection.json"
    path.parent.mkdir()
    path.write_text(content)
    os.utime(path, (0, 0))
    RunFolder(path.parent).save_selection(SELECTION, 9)
    assert names_in(path.parent) == {"selection.json", "previous-19700101T000000"}
    assert names_in(tmp_path) == {"run"}
