"""Any executor finds the subset that this process would have found."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from on_mpi import found
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from small_colony import colony, credit, fitness, picture

from fer_fast import AntColonySelector, Colony, ForestFitness, ParameterError
from fer_fast.selection.warning_types import WorkerDiedWarning

pytestmark = pytest.mark.usefixtures("cache")


class Backwards(Executor):
    """An executor whose answers come in the reverse of the order in which they were asked for.

    They come as soon as so many calls wait, or nothing more is to be expected of a wave.
    """

    def __init__(self, wave: int) -> None:
        self._wave = wave
        self._waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, function, arguments))
            answered = []
            if len(self._waiting) == self._wave:
                answered, self._waiting = self._waiting[::-1], []
        for one, called, given in answered:
            one.set_result(called(*given))
        return future


def spawned() -> Executor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


@contextmanager
def of_dask() -> Iterator[Executor]:
    distributed = pytest.importorskip("distributed")
    two = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(**two) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client.get_executor(pure=False)


MAKERS = {
    "threads": lambda: ThreadPoolExecutor(3),
    "forked": lambda: ProcessPoolExecutor(2),
    "spawned": spawned,
    "loky": lambda: get_reusable_executor(max_workers=2),
    "dask": of_dask,
}


@pytest.fixture(scope="module", params=MAKERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Yield an executor whose workers have seen other tests' rows."""
    with MAKERS[request.param]() as one:
        yield one


@pytest.fixture(scope="module")
def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(160, 30)).astype(np.float32)
    return X, (X[:, 0] + X[:, 3] + 0.3 * rng.normal(size=160) > 0).astype(np.int64)


def searched(judge: Any, executor: Any = None, **parameters: Any) -> Any:
    one = Colony(np.ones(30), n_ants=7, seed=5, **parameters)
    one.run(judge, n_iterations=4, executor=executor)
    return one.to_json()


@pytest.mark.parametrize("earns", [None, "gain", "residual"])
def test_a_forest_judges_alike_wherever_it_is_grown(
    executor: Executor, earns: str | None, rows: tuple[Any, Any]
) -> None:
    def forest() -> ForestFitness:
        return ForestFitness(*rows, n_estimators=8, scoring="brier", credit=earns)

    deposit = "best" if earns is None else "credit"
    assert searched(forest(), executor, deposit=deposit) == searched(forest(), deposit=deposit)


def test_workers_of_mpi_find_what_this_process_does() -> None:
    if importlib.util.find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    # A wheel of MPI puts it beside the interpreter.
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    mpiexec = shutil.which("mpiexec", path=places)
    if mpiexec is None:
        pytest.skip("mpi4py is installed without mpiexec")
    script = str(Path(__file__).with_name("on_mpi.py"))
    ended = subprocess.run(
        [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", script],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == found()


def test_an_executor_that_is_given_is_left_running(rows: tuple[Any, Any]) -> None:
    judge = ForestFitness(*rows, n_estimators=4)
    with ThreadPoolExecutor(2) as executor:
        assert searched(judge, executor) == searched(judge)
        assert executor.submit(int, "3").result() == 3


def test_any_callable_judges_alike_and_so_does_one_of_a_script() -> None:
    here = colony()
    here.run(fitness, n_iterations=3)
    there = colony()
    with ProcessPoolExecutor(2) as executor:
        there.run(lambda subset: fitness(subset), n_iterations=3, executor=executor)
    assert picture(there) == picture(here)


def test_the_order_of_arrival_changes_nothing() -> None:
    def unlike() -> Colony:
        # All ants of an iteration differ, so that a wave is as many calls as there are ants.
        return colony(n_ants=5, min_features=20, max_features=40, q0=0.0, deposit="credit")

    def judge(subset: Any) -> Any:
        return fitness(subset), credit(subset)

    here, there = unlike(), unlike()
    here.run(judge, n_iterations=3)
    there.run(judge, n_iterations=3, executor=Backwards(5))
    assert picture(there) == picture(here)


class Listening:
    """A fitness whose score depends on what was credited before its iteration."""

    def __init__(self) -> None:
        self._bonus = 0.0

    def next_iteration(self, credited: list[Any]) -> None:
        self._bonus = float(sum(len(subset) for subset in credited))

    def __call__(self, subset: Any) -> Any:
        return fitness(subset) + self._bonus, credit(subset)


def test_a_fitness_that_listens_is_told_in_every_worker(executor: Executor) -> None:
    here, there = (colony(deposit="credit") for _ in range(2))
    here.run(Listening(), n_iterations=4)
    there.run(Listening(), n_iterations=4, executor=executor)
    assert picture(there) == picture(here)


class Fatal:
    """A fitness that kills its process: once, or at each subset that has feature 0."""

    def __init__(self, marker: Path | None) -> None:
        self._marker = marker

    def __call__(self, subset: Any) -> float:
        if self._marker is None:
            is_time = 0 in subset
        else:
            is_time = len(subset) < 20 and not self._marker.exists()
            if is_time:
                self._marker.touch()
        if is_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return fitness(subset)


def test_a_worker_killed_in_the_middle_of_a_search_changes_nothing(tmp_path: Path) -> None:
    here, there = colony(), colony()
    here.run(fitness, n_iterations=3)
    with ProcessPoolExecutor(2) as pool:
        there.run(Fatal(tmp_path / "died"), n_iterations=3, executor=pool)
    assert (tmp_path / "died").exists()
    assert picture(there) == picture(here)


def test_a_subset_that_kills_three_workers_has_no_score_and_the_search_goes_on() -> None:
    one = colony(n_ants=4)
    with ProcessPoolExecutor(2) as executor, pytest.warns(WorkerDiedWarning, match="3 workers"):
        # A budget does not make what is lost the end of the run.
        reason = one.run(Fatal(None), n_iterations=2, executor=executor, time_budget=600)
    assert reason == "iterations"
    assert not all(row["complete"] for row in one.history)
    assert one.best_subset is not None
    assert 0 not in one.best_subset


def test_workers_of_their_own_exclude_threads() -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(ParameterError, match="n_jobs is 2"):
        colony().run(fitness, n_jobs=2, executor=executor)


@pytest.mark.parametrize("estimator", [None, LogisticRegression()], ids=["forest", "estimator"])
def test_a_selector_finds_the_same_columns(
    executor: Executor, estimator: Any, planted: tuple[Any, Any]
) -> None:
    options = {"n_ants": 5, "n_iterations": 2, "cv": 2, "random_state": 1}
    here = AntColonySelector(estimator, **options).fit(*planted)
    there = AntColonySelector(estimator, executor=executor, **options).fit(*planted)
    np.testing.assert_array_equal(there.support_, here.support_)
    np.testing.assert_array_equal(there.pheromone_, here.pheromone_)
    assert there.best_score_ == here.best_score_


def test_a_selector_has_an_executor_made_for_each_of_its_searches(
    planted: tuple[Any, Any],
) -> None:
    made = []

    def make() -> Executor:
        made.append(ThreadPoolExecutor(2))
        return made[-1]

    options = {"n_ants": 4, "n_iterations": 1, "cv": 2, "random_state": 1, "n_colonies": 2}
    here = AntColonySelector(LogisticRegression(), **options).fit(*planted)
    there = AntColonySelector(LogisticRegression(), executor=make, **options).fit(*planted)
    assert there.stability_ == here.stability_
    assert len(made) == 3
    for one in made:
        with pytest.raises(RuntimeError):
            one.submit(int)


class Moody(LogisticRegression):
    """An estimator that refuses many columns, by an error that cannot be sent."""

    class RefusalError(Exception):
        def __init__(self, one: int, other: int) -> None:
            super().__init__(f"{one} of {other}")

    def fit(self, X: Any, y: Any) -> Any:
        if X.shape[1] > 15:
            raise self.RefusalError(1, X.shape[1])
        return super().fit(X, y)


def test_a_fit_that_fails_in_a_worker_is_told_of_as_here(planted: tuple[Any, Any]) -> None:
    options = {"n_ants": 6, "n_iterations": 2, "cv": 2, "random_state": 1}
    with pytest.warns(FitFailedWarning, match="could not be judged"):
        here = AntColonySelector(Moody(), **options).fit(*planted)
    with ProcessPoolExecutor(2) as executor, pytest.warns(FitFailedWarning, match="RefusalError"):
        there = AntColonySelector(Moody(), executor=executor, **options).fit(*planted)
    np.testing.assert_array_equal(there.support_, here.support_)


def test_clones_share_an_executor_and_pickles_go_without(planted: tuple[Any, Any]) -> None:
    with ThreadPoolExecutor(2) as executor:
        selector = AntColonySelector(
            LogisticRegression(), n_ants=3, n_iterations=1, cv=2, executor=executor
        )
        assert clone(selector).executor is executor
        fitted = selector.fit(*planted)
    restored = pickle.loads(pickle.dumps(fitted))
    assert restored.executor is None
    np.testing.assert_array_equal(restored.support_, fitted.support_)
