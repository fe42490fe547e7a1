"""The main job through the real command."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from fer_fast.classifier.calibration import calibration_error
from fer_fast.faces.dataset import Split
from fer_fast.faces.synthetic.generator import synthetic_faces
from fer_fast.recognition.model import ExpressionModel
from fer_fast.runs.folder import RunFolder
from fer_fast.settings import read_config

QUICK = ("--ants", 4, "--iterations", 2, "--fitness-rows", 400, "--trees", 12, "--device", "cpu")

KEPT_EARLY = {"config.toml", "evaluations.jsonl", "selection.json"}

LIMIT_FILE_SIZES = (
    "import resource, sys; from fer_fast.cli.main import main; "
    "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); sys.exit(main(sys.argv[1:]))"
)


@pytest.fixture(scope="module")
def environment(shared_cache):
    return {"FER_FAST_CACHE": str(shared_cache)}


@pytest.fixture(scope="module")
def options(random_weights):
    return ("--weights", random_weights.path, *QUICK)


@pytest.fixture(scope="module")
def first_run(environment, options, tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "out"
    result = subprocess.run(
        [sys.executable, "-m", "fer_fast", "pipeline", *map(str, options), "--out", str(out)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result, out


def metrics_of(out):
    return json.loads((out / "metrics.json").read_text())


def test_the_summary_and_the_warning_are_printed(first_run):
    result, out = first_run
    assert "synthetic" in result.stderr
    assert "these figures say nothing about FER-2013" in result.stdout
    assert f"{metrics_of(out)['test']['accuracy']:.3f}" in result.stdout
    assert "\x1b[" not in result.stdout + result.stderr


def test_metrics_hold_every_key(first_run):
    metrics = metrics_of(first_run[1])
    scores = {
        *("accuracy", "precision_weighted", "recall_weighted", "f1_weighted"),
        *("precision_macro", "recall_macro", "f1_macro", "per_class", "confusion", "rows"),
    }
    evaluations = [metrics, *metrics["baselines"].values()]
    for evaluation in evaluations:
        for rows in ("test", "test_deduplicated"):
            assert evaluation[rows].keys() == scores
    assert metrics["baselines"].keys() == {"all_features", "k_best", "random"}
    assert metrics["features"]["total"] == 5120
    assert metrics["features"]["selected"] == len(metrics["features"]["indices"])
    assert metrics["colony"]["history"][-1].keys() >= {
        *("iteration", "best_score", "mean_score", "best_size", "evaluations", "cache_hits"),
    }
    assert metrics["data"].keys() >= {"hash", "counts", "synthetic"}
    assert metrics["timings_s"].keys() == {
        *("data", "model", "features", "balance", "selection"),
        *("classifier", "baselines", "calibration"),
    }
    assert metrics.keys() >= {"version", "device", "versions", "parameters", "warnings"}
    assert metrics["data"]["fitted_on"].keys() == set(metrics["test"]["per_class"])
    assert metrics["parameters"]["ants"] == 4


def test_the_confusion_matrix_agrees_with_the_counts(first_run):
    metrics = metrics_of(first_run[1])
    confusion = np.array(metrics["test"]["confusion"])
    assert confusion.sum(axis=1).tolist() == list(metrics["data"]["counts"]["PrivateTest"].values())
    assert np.trace(confusion) / confusion.sum() == pytest.approx(metrics["test"]["accuracy"])


def test_the_saved_model_answers_as_the_run_was_scored(first_run):
    out = first_run[1]
    metrics = metrics_of(out)
    selection = json.loads((out / "selection.json").read_text())
    assert selection["indices"] == metrics["features"]["indices"]
    dataset = synthetic_faces()
    test = dataset.rows(Split.PRIVATE_TEST)
    model = ExpressionModel(out / "model.onnx")
    probabilities, labels = model.run(dataset.pixels[test])
    confusion = confusion_matrix(dataset.labels[test], labels, labels=range(7))
    assert confusion.tolist() == metrics["test"]["confusion"]
    assert model.info.run_id == metrics["run_id"]
    # No test face of the synthetic default stands in another split.
    error = calibration_error(probabilities, dataset.labels[test])
    assert error == pytest.approx(metrics["calibration"]["error_after"], abs=1e-3)


def test_a_second_run_extracts_nothing_and_threads_change_nothing(
    first_run, environment, options, run_cli, tmp_path
):
    for jobs in (1, 2):
        out = tmp_path / f"jobs{jobs}"
        result = run_cli("pipeline", *options, "--jobs", jobs, "--out", out, **environment)
        assert result.returncode == 0, result.stderr
        assert "images in" not in result.stderr
        again, first = metrics_of(out), metrics_of(first_run[1])
        for key in ("test", "test_deduplicated", "baselines", "features"):
            assert again[key] == first[key]


def test_the_settings_written_back_repeat_the_run_from_any_folder(
    first_run, environment, run_cli, tmp_path
):
    config = first_run[1] / "config.toml"
    result = run_cli("pipeline", "--config", config, "--out", "again", **environment)
    assert result.returncode == 0, result.stderr
    again, first = metrics_of(tmp_path / "again"), metrics_of(first_run[1])
    for key in ("test", "test_deduplicated", "baselines", "features", "parameters"):
        assert again[key] | {"out": None} == first[key] | {"out": None}
    assert again["run_id"] != first["run_id"]
    assert read_config(tmp_path / "again" / "config.toml") == read_config(config)


def test_json_is_the_metrics_and_nothing_else(first_run, environment, options, run_cli, tmp_path):
    result = run_cli("pipeline", *options, "--json", "--quiet", "--out", "out", **environment)
    assert result.returncode == 0
    assert result.stdout == (tmp_path / "out" / "metrics.json").read_text()
    assert json.loads(result.stdout)["features"] == metrics_of(first_run[1])["features"]
    # Quiet, it still warns.
    assert result.stderr.splitlines() == [
        f"! {one}" for one in json.loads(result.stdout)["warnings"]
    ]


@pytest.mark.usefixtures("first_run")
def test_seeds_are_run_each_in_its_folder_and_summed_up(environment, options, run_cli, tmp_path):
    arguments = ("--seeds", 2, "--seed", 5, "--balance", "none", "--out", "out", "--json")
    result = run_cli("pipeline", *options, *arguments, **environment)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    runs = [metrics_of(tmp_path / "out" / f"seed-{seed}") for seed in (5, 6)]
    assert [run["parameters"]["seed"] for run in runs] == [5, 6]
    assert [run["test"] for run in document["runs"]] == [run["test"] for run in runs]
    means = {(one["method"], one["rows"], one["measure"]): one for one in document["summary"]}
    accuracies = [run["test"]["accuracy"] for run in runs]
    assert means["chosen", "test", "accuracy"]["score"]["mean"] == pytest.approx(
        np.mean(accuracies)
    )
    assert runs[0]["features"] != runs[1]["features"]
    kept = json.loads((tmp_path / "out" / "seeds.json").read_text())
    assert {name: kept[name] for name in ("summary", "stability", "seeds")} == {
        name: document[name] for name in ("summary", "stability", "seeds")
    }
    assert [one["run_id"] for one in kept["seeds"]] == [run["run_id"] for run in runs]


def test_the_last_lines_say_what_to_do_next(first_run):
    result, out = first_run
    last = result.stderr.splitlines()[-2:]
    assert last == [
        f"· look: {out}/report.html",
        f"· next: fer-fast predict --model {out}/model.onnx photo.jpg",
    ]


def test_a_run_that_has_ended_is_logged_to_mlflow_when_asked(
    first_run, environment, run_cli, tmp_path
):
    pytest.importorskip("sqlalchemy", reason="the extra mlflow is not installed")
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    result = run_cli("pipeline", "--resume", first_run[1], "--mlflow", uri, **environment)
    assert result.returncode == 0, result.stderr
    run_id = metrics_of(first_run[1])["run_id"]
    assert f"run {run_id} logged to MLflow" in result.stderr
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    (run,) = client.search_runs(experiments)
    assert run.data.tags["fer_fast.run_id"] == run_id
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {*RunFolder.FILES}


def test_a_disk_that_fills_up_costs_neither_the_result_nor_a_half_written_file(
    first_run, environment, options, tmp_path
):
    # A limit on file sizes refuses writes as a full disk does, and needs no privileges.
    out = tmp_path / "out"
    result = subprocess.run(
        [sys.executable, "-c", LIMIT_FILE_SIZES, "pipeline", *map(str, options), "--out", str(out)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 2
    assert "error: cannot write" in result.stderr
    assert f"{metrics_of(first_run[1])['test']['accuracy']:.3f}" in result.stdout
    # These alone are small enough, and were kept before anything went wrong.
    assert {path.name for path in out.iterdir()} == KEPT_EARLY
    kept = json.loads((out / "selection.json").read_text())
    assert kept["indices"] == metrics_of(first_run[1])["features"]["indices"]


def interrupt(arguments, environment, evidence, number=signal.SIGINT):
    """Run the command on a terminal, send it a signal once its progress shows `evidence`.

    Returns its last line.
    """
    terminal, its_terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_fast", *map(str, arguments)],
        env=os.environ | environment | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=its_terminal,
        # A suite under nohup ignores SIGHUP, and its children would.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    os.close(its_terminal)
    shown = b""
    try:
        while evidence.encode() not in shown:
            shown += heard(terminal)
        # From between two stages into the one that has begun, and takes far longer.
        time.sleep(0.5)
        process.send_signal(number)
        while more := heard(terminal, at_end=b""):
            shown += more
        stdout, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        os.close(terminal)
    assert process.returncode == 128 + number
    assert b"Traceback" not in shown
    assert stdout == b""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).strip().splitlines()[-1]


def heard(terminal, at_end=None):
    """Return what comes next on a terminal; Linux reports its end as an error."""
    try:
        more = os.read(terminal, 65536)
    except OSError:
        more = b""
    assert more or at_end is not None, "the command ended too early"
    return more or at_end


def test_ctrl_c_during_the_export_leaves_no_model(options, tmp_path):
    cache = tmp_path / "cache"
    last = interrupt(("pipeline", *options), {"FER_FAST_CACHE": str(cache)}, "exporting")
    assert last == "interrupted"
    assert list((cache / "models").iterdir()) == []


# Ctrl-C, `timeout` and Slurm, and a terminal that is closed.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("first_run")
def test_a_signal_during_the_search_keeps_the_best_subset(environment, options, tmp_path, number):
    endless = ("--fitness", "sklearn", "--ants", 40, "--iterations", 10_000)
    out = tmp_path / "out"
    arguments = ("pipeline", *options, *endless, "--out", out)
    last = interrupt(arguments, environment, "· best 0.", number)
    assert last.startswith("interrupted: the best so far scored")
    kept = json.loads((out / "selection.json").read_text())
    assert kept["complete"] is False
    assert f"{len(kept['indices']):,} of 5,120 features" in last


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("first_run")
def test_a_signal_ends_even_a_forest_and_keeps_the_selection(
    environment, options, tmp_path, number
):
    # Quick to search, slow to fit: thousands of trees that see nearly every feature.
    slow = ("--trees", 5000, "--fitness-rows", 10, "--ants", 1, "--min-features", 5000)
    out = tmp_path / "out"
    arguments = ("pipeline", *options, *slow, "--out", out)
    last = interrupt(arguments, environment, "fitting the final forests", number)
    assert last == (
        f"interrupted: the selection is kept in {out / 'selection.json'}, go on with "
        f"`fer-fast pipeline --resume {out}`"
    )
    kept = json.loads((out / "selection.json").read_text())
    assert kept["complete"] is True
    assert len(kept["indices"]) == 5000
    assert {path.name for path in out.iterdir()} == KEPT_EARLY


def test_a_reader_that_leaves_costs_no_file(first_run, environment, options, tmp_path):
    out = tmp_path / "out"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "fer_fast", "pipeline", *map(str, options), "--out", str(out)],
            env=os.environ | environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=300,
        )
    finally:
        os.close(writer)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert {path.name for path in out.iterdir()} == {path.name for path in first_run[1].iterdir()}
    assert metrics_of(out)["features"] == metrics_of(first_run[1])["features"]
