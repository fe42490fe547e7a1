"""A run on a cluster ends as one on a single machine, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from killing import Run, difference, evaluations

from fer_fast.errors import WorkersError
from fer_fast.execution import cluster
from fer_fast.runtime.remote import RemoteSession
from fer_fast.runtime.session import open_session

ADDRESS = "tcp://127.0.0.1"


class Cluster:
    """A scheduler and workers of one thread, each a process that nobody starts again."""

    def __init__(self, folder: Path, life: ExitStack) -> None:
        self._folder = folder
        self._life = life
        self._named = folder / "scheduler.json"
        place = ("--host", ADDRESS, "--port", "0")
        self.scheduler = self._start("dask_scheduler", *place)
        # It is there before its content is.
        while not (self._named.exists() and self._named.stat().st_size):
            assert self.scheduler.poll() is None
            time.sleep(0.05)
        self.address: str = json.loads(self._named.read_text())["address"]

    def add_worker(self) -> subprocess.Popen[bytes]:
        """Let another worker join."""
        return self._start("dask_worker", "--nthreads", "1", "--no-nanny")

    def _start(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        quiet = {"DASK_LOGGING__DISTRIBUTED": "critical", "OMP_NUM_THREADS": "1"}
        named = ("--scheduler-file", str(self._named))
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *named, *words],
            env=os.environ | quiet | {"FER_FAST_CACHE": str(self._folder / "their-cache")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._life.callback(process.wait)
        self._life.callback(process.kill)
        return process


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    with ExitStack() as life:
        yield Cluster(folder, life)


def without_features(run: Run, folder: Path) -> Path:
    """Return a cache that has the run's model, and no features."""
    cache = folder / "cache"
    cache.mkdir()
    for kind in run.cache.iterdir():
        if kind.name != "features":
            (cache / kind.name).symlink_to(kind)
    return cache


def killing(process: subprocess.Popen[bytes], n: int) -> Callable[[Path], bool]:
    """Return what kills a process once there are so many evaluations, and says so."""

    def kill(out: Path) -> bool:
        if evaluations(out) < n:
            return False
        process.kill()
        return True

    return kill


def test_a_cluster_of_which_a_worker_is_killed_finds_what_one_machine_does(
    whole: Run, tmp_path: Path
) -> None:
    with started(tmp_path) as there:
        victim, _ = there.add_worker(), there.add_worker()
        words = (*whole.options, "--dask", there.address)
        run = Run(tmp_path / "out", words, without_features(whole, tmp_path))
        # A signal of no effect: the run goes on.
        status, _ = run.kill_when(killing(victim, 2), number=signal.SIGCONT)
        assert victim.wait() == -signal.SIGKILL
    assert status == 0
    assert difference(run.out, whole.out) == ""
    assert list((run.cache / "features").glob("*.npy"))


def test_a_worker_that_joins_late_goes_on_where_the_only_one_has_left(
    whole: Run, tmp_path: Path
) -> None:
    with started(tmp_path) as there:
        words = (*whole.options, "--dask", there.address)
        run = Run(tmp_path / "out", words, without_features(whole, tmp_path))
        process = run.start()
        assert process.stderr is not None
        while "no worker has joined" not in process.stderr.readline():
            assert process.poll() is None
        first = there.add_worker()
        has_left = killing(first, 2)
        while not has_left(run.out):
            assert process.poll() is None
            time.sleep(0.002)
        assert first.wait() == -signal.SIGKILL
        there.add_worker()
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert difference(run.out, whole.out) == ""


@pytest.mark.usefixtures("cache")
def test_a_worker_killed_in_the_extraction_changes_no_feature(
    plain_backbone: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (300, 48, 48), np.uint8)
    with ThreadPoolExecutor(1) as thread, started(tmp_path) as there:
        first = there.add_worker()
        with (
            cluster.cluster_workers(there.address) as workers,
            Client(there.address, set_as_default=False) as onlooker,
        ):
            session = RemoteSession(plain_backbone, workers, "cpu")
            before = session.features(pixels[:100])
            # It is given more, of which it finishes nothing, and dies of it.
            first.send_signal(signal.SIGSTOP)
            after = thread.submit(session.features, pixels[100:])
            while not any(onlooker.processing().values()):
                time.sleep(0.01)
            first.kill()
            there.add_worker()
            found = np.concatenate([before, after.result(timeout=300)])
    np.testing.assert_array_equal(found, open_session(plain_backbone, "cpu").features(pixels))


def run_without_scheduler(whole: Run, folder: Path) -> tuple[Run, str, str]:
    """Return a run whose scheduler was killed in the search, its address, and what the run said."""
    for attempt in range(5):
        home = folder / str(attempt)
        home.mkdir()
        with started(home) as there:
            there.add_worker()
            run = Run(home / "out", (*whole.options, "--dask", there.address), whole.cache)
            process = run.start()
            is_time = killing(there.scheduler, 3)
            while not is_time(run.out):
                assert process.poll() is None
                time.sleep(0.002)
            _, said = process.communicate(timeout=300)
        # A machine that is busy elsewhere may let the run end first.
        if process.returncode != 0:
            assert process.returncode == 2, said
            return run, there.address, said
    raise AssertionError("no scheduler was killed in time")


def test_a_scheduler_that_is_killed_is_told_of_and_the_run_can_be_resumed_without_it(
    whole: Run, tmp_path: Path
) -> None:
    run, address, said = run_without_scheduler(whole, tmp_path)
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    assert f"the scheduler at {address} is gone" in line
    assert f"--resume {run.out}" in line
    assert "Traceback" not in said
    assert evaluations(run.out) >= 3
    assert "evaluations are known" in run.finish()
    assert difference(run.out, whole.out) == ""


def test_processes_of_this_machine_are_a_cluster_too(whole: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "out", (*whole.options, "--dask", "local:2"), whole.cache)
    assert "dask: 2 workers, 2 threads" in run.finish()
    assert difference(run.out, whole.out) == ""


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    with (
        pytest.raises(WorkersError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster.cluster_workers("tcp://127.0.0.1:9"),
    ):
        pass
