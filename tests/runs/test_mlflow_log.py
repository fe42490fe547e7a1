"""A run is logged to MLflow whole and once, and costs nothing where that fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fer_fast.errors import ParameterError
from fer_fast.progress import SILENT, WarningLog
from fer_fast.runs.folder import RunFolder
from fer_fast.runs.mlflow_log import EXPERIMENT, log_run, metrics_of, require_mlflow

WriteRun = Callable[..., Path]


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return MLflow, patient for no longer than a test."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    pytest.importorskip("sqlalchemy", reason="the extra mlflow is not installed")
    return pytest.importorskip("mlflow", reason="the extra mlflow is not installed")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a store of its own."""
    # MLflow keeps the artefacts of a database where the process stands.
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path}/mlflow.db"


@dataclass
class Notes:
    """A reporter that remembers."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    task = SILENT.task

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def logged(mlflow: Any, uri: str) -> tuple[Any, list[Any]]:
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client, list(client.search_runs([experiment.experiment_id]))


def test_settings_scores_iterations_and_files_are_logged_once(
    mlflow: Any, uri: str, write_run: WriteRun
) -> None:
    reporter = Notes()
    folder = RunFolder.of_earlier_run(write_run("paper", seed=3), reporter)
    log_run(uri, folder)
    log_run(uri, folder)
    assert reporter.warnings == []
    assert [note.split(" MLflow")[0] for note in reporter.notes] == [
        f"run {folder.run_id} logged to",
        f"run {folder.run_id} is logged already in",
    ]
    client, (run,) = logged(mlflow, uri)
    metrics = json.loads(folder.metrics.read_text())
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "paper"
    assert run.data.params == {name: str(one) for name, one in metrics["parameters"].items()}
    assert run.data.metrics["test/chosen/accuracy"] == metrics["test"]["accuracy"]
    random = metrics["baselines"]["random"]["test_deduplicated"]
    assert run.data.metrics["test_deduplicated/random/f1_macro"] == random["f1_macro"]
    history = client.get_metric_history(run.info.run_id, "search/best_score")
    assert [(one.step, one.value) for one in history] == [
        (one["iteration"], one["best_score"]) for one in metrics["colony"]["history"]
    ]
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {path.name for path in folder.path.iterdir()}


def test_another_run_is_another(mlflow: Any, uri: str, write_run: WriteRun) -> None:
    for seed in range(2):
        log_run(uri, RunFolder.of_earlier_run(write_run(f"r{seed}", seed=seed)))
    _, runs = logged(mlflow, uri)
    assert len({run.data.tags["fer_fast.run_id"] for run in runs}) == 2


@pytest.mark.usefixtures("mlflow")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x"])
def test_a_store_that_is_away_is_a_warning_that_says_how_to_try_again(
    uri: str, write_run: WriteRun
) -> None:
    reporter = WarningLog(SILENT)
    folder = RunFolder.of_earlier_run(write_run(), reporter)
    log_run(uri, folder)
    (warning,) = reporter.warnings
    assert warning.startswith(f"cannot log to MLflow at {uri} (")
    assert warning.endswith(
        f"`fer-fast pipeline --resume {folder.path} --mlflow {uri}` tries again"
    )
    assert "\n" not in warning


def test_a_run_whose_files_could_not_be_sent_is_logged_again(
    mlflow: Any, uri: str, write_run: WriteRun
) -> None:
    reporter = WarningLog(SILENT)
    folder = RunFolder.of_earlier_run(write_run(), reporter)
    # Artefacts go to a folder of this name, which a file takes.
    (Path.cwd() / "mlruns").write_text("")
    log_run(uri, folder)
    assert len(reporter.warnings) == 1
    (Path.cwd() / "mlruns").unlink()
    log_run(uri, folder)
    _, runs = logged(mlflow, uri)
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


def test_without_mlflow_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ParameterError, match=r"--mlflow needs MLflow.*fer-fast\[mlflow\]"):
        require_mlflow()


def test_every_metric_has_a_name_of_its_own_and_a_number(write_run: WriteRun) -> None:
    found = list(metrics_of(json.loads((write_run() / "metrics.json").read_text())))
    assert len({(name, step) for name, _, step in found}) == len(found)
    assert all(isinstance(value, float) for _, value, _ in found)
