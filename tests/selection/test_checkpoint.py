"""A fit with a checkpoint that was stopped anywhere ends, fitted again, as one that was not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from checkpointed_fits import CHECKPOINTS, result
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fer_fast import AntColonySelector
from fer_fast.errors import DataError, OutputError, ParameterError
from fer_fast.storage.files import locked

X, y = make_classification(60, 12, n_informative=4, random_state=1)


class Counted(GaussianNB):
    """Counts how often it is fitted, all clones together."""

    fits: ClassVar[int] = 0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Counted:
        type(self).fits += 1
        super().fit(X, y, sample_weight)
        return self


class Choosy(Counted):
    """Refuses matrices of fewer than four columns."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Counted:
        super().fit(X, y, sample_weight)
        if X.shape[1] < 4:
            raise ValueError("too narrow")
        return self


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a checkpoint will be."""
    return tmp_path / "checkpoint.jsonl"


@pytest.fixture(autouse=True)
def _counted_from_nothing() -> None:
    Counted.fits = Choosy.fits = 0


def make(checkpoint: Path | None = None, estimator: Any = None, **others: Any) -> AntColonySelector:
    options = {"n_ants": 5, "n_iterations": 4, "cv": 3, "random_state": 3} | others
    return AntColonySelector(estimator or Counted(), checkpoint=checkpoint, **options)


def n_lines(*paths: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in paths if path.exists())


def test_a_process_killed_again_and_again_ends_as_one_that_never_was(tmp_path: Path) -> None:
    program = Path(__file__).with_name("checkpointed_fits.py")

    def start(folder: Path) -> subprocess.Popen[str]:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, str(program), str(folder)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def finish(folder: Path) -> Any:
        process = start(folder)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0
        return json.loads(said)

    whole = finish(tmp_path / "whole")
    files = [tmp_path / "killed" / name for name in CHECKPOINTS]
    most = n_lines(*(tmp_path / "whole" / name for name in CHECKPOINTS))
    kept = 0
    for moment in sorted(random.Random(0).sample(range(1, most), 3)):
        process = start(tmp_path / "killed")
        while process.poll() is None and n_lines(*files) < moment:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=300)
        # No subset that was kept is ever lost.
        assert kept <= (kept := n_lines(*files))
    assert kept > 4
    assert finish(tmp_path / "killed") == whole
    assert n_lines(*files) == most


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("after", [1, 4, 9, 12])
def test_a_fit_that_a_callback_ended_goes_on_as_if_it_had_not(
    path: Path, after: int, n_jobs: int
) -> None:
    whole = make().fit(X, y)
    Counted.fits = 0
    make(path, callbacks=[lambda event: event.evaluations >= after], n_jobs=n_jobs).fit(X, y)
    again = make(path, n_jobs=n_jobs).fit(X, y)
    assert result(again) == result(whole)
    assert Counted.fits == 3 * whole.history_["evaluations"].sum()


def test_an_executor_goes_on_where_threads_were(path: Path) -> None:
    whole = make().fit(X, y)
    Counted.fits = 0
    make(path, callbacks=[lambda event: event.evaluations >= 6]).fit(X, y)
    with ThreadPoolExecutor(2) as pool:
        again = make(path, executor=pool).fit(X, y)
    assert result(again) == result(whole)
    assert Counted.fits == 3 * whole.history_["evaluations"].sum()


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"n_colonies": 2},
        {"costs": np.linspace(1, 2, 12), "phi": 0.9},
        {"feature_groups": [[0, 1, 2], [3, 4]], "fixed": [5]},
        {"desirability": "mutual_info", "scoring": "neg_log_loss"},
        {"cv": [(np.arange(30), np.arange(30, 60))]},
    ],
)
def test_a_fit_that_had_ended_judges_nothing_again(path: Path, others: dict[str, Any]) -> None:
    first = make(path, **others).fit(X, y)
    Counted.fits, kept = 0, path.read_bytes()
    second = make(path, **others).fit(X, y)
    assert result(first) == result(second)
    assert Counted.fits == 0
    assert path.read_bytes() == kept


def test_callbacks_hear_of_what_is_known_too(path: Path) -> None:
    heard: list[list[float | None]] = []
    for _ in range(2):
        heard.append([])
        make(path, callbacks=[lambda event: heard[-1].append(event.score)]).fit(X, y)
    assert heard[0] == heard[1] != []


def test_a_time_budget_that_is_spent_stays_spent(path: Path) -> None:
    first = make(path, time_budget=0.0).fit(X, y)
    assert first.stop_reason_ == "time_budget"
    Counted.fits = 0
    second = make(path, time_budget=0.0).fit(X, y)
    assert second.stop_reason_ == "time_budget"
    assert Counted.fits == 0
    assert result(first) == result(second)


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
def test_what_failed_is_tried_and_told_of_again(path: Path, error_score: float) -> None:
    found = []
    for _ in range(2):
        Choosy.fits = 0
        with pytest.warns(FitFailedWarning, match="could not be judged, .* too narrow"):
            selector = make(path, Choosy(), error_score=error_score, max_features=7).fit(X, y)
        found.append((result(selector), Choosy.fits))
    assert repr(found[0][0]) == repr(found[1][0])
    assert 0 < found[1][1] < found[0][1]


def change_a_value(table: Any) -> Any:
    table = table.copy()
    table[7, 3] = np.nextafter(table[7, 3], 9.0)
    return table


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_ants": 6}, "n_ants was 5 and is 6"),
        ({"random_state": 4}, "random_state was 3 and is 4"),
        (
            {"estimator": GaussianNB()},
            r"estimator was .*Counted and is .*GaussianNB",
        ),
        ({"estimator": Counted(var_smoothing=1e-3)}, r"var_smoothing was 1e-09 and is 0\.001"),
        ({"scoring": "f1"}, "scoring was unset and is f1"),
        ({"cv": KFold(4)}, r"cv was 3 and is KFold\(n_splits=4"),
        ({"X": change_a_value(X)}, "data was .* and is"),
        ({"y": 1 - y}, "labels was .* and is"),
        ({"sample_weight": np.linspace(1, 2, 60)}, "metadata was .* and is"),
    ],
)
def test_another_fit_is_refused_with_the_difference(
    path: Path, change: dict[str, Any], said: str
) -> None:
    make(path, callbacks=[lambda event: event.evaluations >= 2]).fit(X, y)
    kept = path.read_bytes()
    rows = change.pop("X", X), change.pop("y", y)
    weights = {"sample_weight": change.pop("sample_weight")} if "sample_weight" in change else {}
    with pytest.raises(DataError, match=said) as refused:
        make(path, **change).fit(*rows, **weights)
    assert "give another checkpoint" in str(refused.value)
    assert path.read_bytes() == kept


def test_parameters_within_a_pipeline_decide_too(path: Path) -> None:
    def around(C: float, n_jobs: int | None = None) -> AntColonySelector:
        steps = make_pipeline(StandardScaler(), LogisticRegression(C=C, n_jobs=n_jobs))
        return make(path, steps, n_iterations=1)

    with warnings.catch_warnings():
        # scikit-learn 1.8 has made this parameter of its own one that does nothing.
        warnings.filterwarnings("ignore", message=".*n_jobs.*", category=FutureWarning)
        first = around(1.0).fit(X, y)
        assert result(around(1.0, n_jobs=1).fit(X, y)) == result(first)
    with pytest.raises(DataError, match=r"logisticregression__C was 1\.0 and is 2\.0"):
        around(2.0).fit(X, y)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (X, np.asfortranarray(X)),
        (csr_matrix(X), csc_matrix(X)),
        (pd.DataFrame(X).add_prefix("f"), pd.DataFrame(np.asfortranarray(X)).add_prefix("f")),
    ],
)
def test_the_layout_of_a_table_is_nobodys_business(path: Path, first: Any, second: Any) -> None:
    estimator = LogisticRegression()
    found = [result(make(path, estimator, n_iterations=1).fit(rows, y)) for rows in (first, second)]
    assert repr(found[0]) == repr(found[1])


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"random_state": None}, "without a random_state that is an int"),
        ({"random_state": np.random.RandomState(0)}, "without a random_state that is an int"),
        ({"cv": ShuffleSplit(2)}, "without a cv that splits alike each time"),
    ],
)
def test_what_could_never_be_resumed_is_refused_before_the_search(
    path: Path, others: dict[str, Any], said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        make(path, **others).fit(X, y)
    assert Counted.fits == 0


def test_a_second_fit_at_the_same_time_is_told(path: Path) -> None:
    path.touch()
    with locked(path) as is_ours:
        assert is_ours
        with pytest.raises(ParameterError, match="another fit is using the checkpoint"):
            make(path).fit(X, y)
    make(path).fit(X, y)


@pytest.mark.parametrize("content", [b"age,income\n3,4\n", b"{}\n", b"\0" * 40])
def test_a_file_of_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no checkpoint of a fit"):
        make(path).fit(X, y)
    assert path.read_bytes() == content


@pytest.mark.parametrize("spoil", [lambda kept: kept[:40], lambda kept: kept + b'{"iteration": 2'])
def test_a_torn_end_is_judged_anew(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    whole = make(path).fit(X, y)
    kept = path.read_bytes()
    path.write_bytes(spoil(kept))
    assert result(make(path).fit(X, y)) == result(whole)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write the checkpoint .* \(No such file"):
        make(tmp_path / "nowhere" / "checkpoint").fit(X, y)


def test_a_disk_that_fills_up_costs_the_checkpoint_alone(tmp_path: Path) -> None:
    program = Path(__file__).with_name("checkpointed_fits.py")
    process = subprocess.run(
        [sys.executable, str(program), str(tmp_path), "2500"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("could be resumed from here only") == 2
    assert all(0 < (tmp_path / name).stat().st_size <= 2500 for name in CHECKPOINTS)
