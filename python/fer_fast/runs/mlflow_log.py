"""A run's settings, scores and files in MLflow: the only place that knows it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fer_fast.environment import install_line, missing_modules
from fer_fast.errors import ParameterError
from fer_fast.runs.compare import MEASURES, METHODS, TEST_ROWS, scores_of
from fer_fast.runs.record import read_record

if TYPE_CHECKING:
    from fer_fast.runs.folder import RunFolder
    from fer_fast.runs.record import RunRecord

EXPERIMENT = "fer-fast"
"""Where runs stand, unless MLflow's own variable MLFLOW_EXPERIMENT_NAME says otherwise."""

TAG = "fer_fast.run_id"

_ENVIRONMENT = {
    # Whoever logs a run has not asked for telling MLflow's makers of it.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that is away must not hold a run that has ended for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_BATCH = 100
"""Parameters that MLflow takes at once; of metrics it takes more."""


def require_mlflow() -> None:
    """Refuse to begin what could not be logged in the end.

    Raises
    ------
    ParameterError
        If MLflow is not installed.
    """
    if missing_modules(["mlflow"]):
        raise ParameterError(
            "--mlflow needs MLflow, which is not installed", hint=f"run `{install_line('mlflow')}`"
        )


def log_run(uri: str, folder: RunFolder) -> None:
    """Log a run that has ended, once; where that fails, warn and go on.

    Parameters
    ----------
    uri : str
        Of a server or store, as MLflow has it: ``http://host:5000``, ``sqlite:///mlflow.db``.
    folder : RunFolder
        Its `reporter` hears how it went.
    """
    run = read_record(folder.path)
    try:
        is_new = _log(uri, folder, run)
    except Exception as error:
        # Whatever MLflow, its store or the way there raises: the run itself is kept.
        said = " ".join(str(error).split())
        folder.reporter.warn(
            f"cannot log to MLflow at {uri} ({type(error).__name__}: {said:.300}): the run is kept "
            f"in {folder.path}, `fer-fast pipeline --resume {folder.path} --mlflow {uri}` tries "
            "again"
        )
    else:
        logged = "logged to" if is_new else "is logged already in"
        folder.reporter.note(f"run {run.run_id} {logged} MLflow at {uri}")


def _log(uri: str, folder: RunFolder, run: RunRecord) -> bool:
    """Log a run; return False where that has been done before."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=uri)
    experiment = _experiment(client)
    if client.search_runs(
        [experiment], filter_string=f"tags.`{TAG}` = '{run.run_id}' and status = 'FINISHED'"
    ):
        return False
    logged = client.create_run(experiment, run_name=folder.path.name, tags={TAG: run.run_id})
    number = logged.info.run_id
    try:
        now = int(time.time() * 1000)
        parameters = [Param(name, str(value)) for name, value in run.parameters.items()]
        metrics = [Metric(name, value, now, step) for name, value, step in metrics_of(run.metrics)]
        for start in range(0, len(parameters), _BATCH):
            client.log_batch(number, params=parameters[start : start + _BATCH])
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(number, metrics=metrics[start : start + _BATCH])
        for name in folder.FILES:
            if (folder.path / name).exists():
                client.log_artifact(number, str(folder.path / name))
    except BaseException:
        client.set_terminated(number, status="FAILED")
        raise
    client.set_terminated(number)
    return True


def _experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
    found = client.get_experiment_by_name(name)
    number: str = client.create_experiment(name) if found is None else found.experiment_id
    return number


def metrics_of(document: dict[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of each metric of a run; steps are iterations.

    Parameters
    ----------
    document : dict
        Of ``metrics.json``.
    """
    for one in document["colony"]["history"]:
        for name, value in one.items():
            if name != "iteration" and value is not None:
                yield f"search/{name}", float(value), one["iteration"]
    for method in METHODS:
        scores = scores_of(document, method)
        for rows in TEST_ROWS:
            for measure in MEASURES:
                yield f"{rows}/{method}/{measure}", scores[rows][measure], 0
    yield "features/selected", float(document["features"]["selected"]), 0
    for name in ("error_before", "error_after"):
        yield f"calibration/{name}", document["calibration"][name], 0
    for stage, seconds in document["timings_s"].items():
        yield f"seconds/{stage}", seconds, 0
