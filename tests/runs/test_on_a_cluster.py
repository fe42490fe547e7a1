"""A run on a cluster ends as one on a single machine, whoever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from killing import Run, difference, evaluations

from fer_fast.backbone.weights import Weights
from fer_fast.errors import WorkersError
from fer_fast.execution import cluster
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import save_npz

ADDRESS = "tcp://127.0.0.1"


@dataclass(frozen=True)
class Cluster:
    """A scheduler and workers of one thread, each a process that nobody starts again."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]


@contextmanager
def started(folder: Path, n_workers: int) -> Iterator[Cluster]:
    named = folder / "scheduler.json"
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical", "OMP_NUM_THREADS": "1"}

    def start(module: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", "--no-dashboard", *words],
            env=os.environ | quiet | {"FER_FAST_CACHE": str(folder / "their-cache")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    processes = [
        start("dask_scheduler", "--host", ADDRESS, "--port", "0", "--scheduler-file", str(named))
    ]
    try:
        while not named.exists():
            assert processes[0].poll() is None
            time.sleep(0.05)
        words = ("--scheduler-file", str(named), "--nthreads", "1", "--no-nanny")
        processes += [start("dask_worker", *words) for _ in range(n_workers)]

        address = json.loads(named.read_text())["address"]
        yield Cluster(address, processes[0], processes[1:])
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def alone(
    random_weights: Weights, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Return a run on this machine."""
    rng = np.random.default_rng(8)
    labels = rng.integers(0, 4, 240).astype(np.uint8)
    pixels = rng.integers(0, 150, (240, 48, 48)).astype(np.uint8)
    pixels[:, :24] += (labels * 9)[:, None, None]
    splits = np.repeat(list(Split), [120, 50, 70]).astype(np.uint8)
    folder = tmp_path_factory.mktemp("alone")
    save_npz(FaceDataset(pixels, labels, splits, "few"), folder / "few.npz")
    words = f"--data {folder / 'few.npz'} --weights {random_weights.path} --size 32 --device cpu"
    words += " --balance none --ants 5 --iterations 5 --trees 150"
    run = Run(folder / "out", words.split(), shared_cache)
    run.finish()
    return run


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
    alone: Run, tmp_path: Path
) -> None:
    with started(tmp_path, 2) as there:
        words = (*alone.options, "--dask", there.address)
        run = Run(tmp_path / "out", words, without_features(alone, tmp_path))
        # A signal of no effect: the run goes on.
        status, _ = run.kill_when(killing(there.workers[0], 2), number=signal.SIGCONT)
        assert there.workers[0].wait() == -signal.SIGKILL
    assert status == 0
    assert difference(run.out, alone.out) == ""
    assert list((run.cache / "features").glob("*.npy"))


def run_without_scheduler(alone: Run, folder: Path) -> tuple[Run, str, str]:
    """Return a run whose scheduler was killed in the search, its address, and what the run said."""
    for attempt in range(5):
        home = folder / str(attempt)
        home.mkdir()
        with started(home, 1) as there:
            run = Run(home / "out", (*alone.options, "--dask", there.address), alone.cache)
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
    alone: Run, tmp_path: Path
) -> None:
    run, address, said = run_without_scheduler(alone, tmp_path)
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    assert f"the scheduler at {address} is gone" in line
    assert f"--resume {run.out}" in line
    assert "Traceback" not in said
    assert evaluations(run.out) >= 3
    assert "evaluations are known" in run.finish()
    assert difference(run.out, alone.out) == ""


def test_processes_of_this_machine_are_a_cluster_too(alone: Run, tmp_path: Path) -> None:
    run = Run(tmp_path / "out", (*alone.options, "--dask", "local:2"), alone.cache)
    assert "dask: 2 workers, 2 threads" in run.finish()
    assert difference(run.out, alone.out) == ""


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    with (
        pytest.raises(WorkersError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        cluster.cluster_workers("tcp://127.0.0.1:9"),
    ):
        pass
