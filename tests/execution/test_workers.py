"""Calls on an executor: asked again after a death, given up after three, never left waiting."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor

from fer_fast.errors import WorkersError
from fer_fast.execution.parcels import Ticket
from fer_fast.execution.workers import ExpiredError, WorkerDeathsError, Workers

pytestmark = pytest.mark.usefixtures("cache")


def total(array: Any, more: float = 0.0) -> float:
    return float(array.sum()) + more


def die_once(marker: str) -> int:
    """Kill this process, unless another one has been."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die_or_double(value: int) -> int:
    if value < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * value


def wait_for(path: str) -> bool:
    while not Path(path).exists():
        time.sleep(0.01)
    return True


def fail() -> None:
    raise ZeroDivisionError("of the call itself")


def spawned() -> Executor:
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


@pytest.fixture(
    params=[
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(2),
        spawned,
        lambda: get_reusable_executor(max_workers=2),
    ],
    ids=["threads", "forked", "spawned", "loky"],
)
def make(request: pytest.FixtureRequest) -> Callable[[], Executor]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def pool() -> Iterator[Workers]:
    with ProcessPoolExecutor(2) as executor, Workers(executor) as workers:
        yield workers


def test_workers_are_sent_what_they_lack(make: Callable[[], Executor]) -> None:
    with Workers(make) as workers:
        parcels = [workers.parcel(np.full(1000, value)) for value in (1.0, 2.0)]
        assert [workers.call(total, [one], 0.5) for one in parcels] == [1000.5, 2000.5]
        workers.release(parcels[0])
        assert workers.call(total, [parcels[1]]) == 2000.0
        with pytest.raises(ZeroDivisionError, match="itself"):
            workers.call(fail, [])


def test_without_a_shared_folder_the_bytes_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def send(content: bytes) -> bytes:
        sizes.append(len(content))
        return content

    one = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with one as executor, Workers(executor, send=send) as workers:
        parcel = workers.parcel(np.ones(1000))
        parcel.pack()
        # As on a machine that has no such folder.
        monkeypatch.setattr(parcel, "ticket", Ticket(parcel.ticket.name, "/not/there"))
        assert [workers.call(total, [parcel]) for _ in range(3)] == [1000.0] * 3
    assert len(sizes) == 1
    assert sizes[0] > 8000


def test_a_call_whose_worker_is_killed_is_made_again(
    make: Callable[[], Executor], tmp_path: Path, recorder: Any
) -> None:
    if isinstance(probe := make(), ThreadPoolExecutor):
        pytest.skip("a thread does not die alone")
    probe.shutdown()
    with Workers(make, reporter=recorder) as workers:
        pid = workers.call(die_once, [], str(tmp_path / "died"))
        assert pid != os.getpid()
        assert workers.call(die_or_double, [], 4) == 8
    assert recorder.notes


def test_a_broken_pool_is_made_anew_and_its_innocent_calls_are_answered(pool: Workers) -> None:
    values = [-1, *range(8), -2]
    with ThreadPoolExecutor(len(values)) as threads:
        calls = [threads.submit(pool.call, die_or_double, [], value) for value in values]
    for value, one in zip(values, calls, strict=True):
        if value < 0:
            assert isinstance(one.exception(), WorkerDeathsError)
        else:
            assert one.result() == 2 * value


class _Broken(Executor):
    """An executor that only says that it is broken."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        from concurrent.futures import BrokenExecutor

        raise BrokenExecutor


def test_an_executor_that_cannot_be_made_anew_is_told_of() -> None:
    with Workers(_Broken()) as workers, pytest.raises(WorkersError, match="executor=lambda"):
        workers.call(total, [])


def test_an_executor_that_was_shut_down_is_told_of() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with Workers(executor) as workers, pytest.raises(WorkersError, match="no calls any more"):
        workers.call(fail, [])


def test_nobody_waits_beyond_a_deadline(pool: Workers, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with pytest.raises(ExpiredError):
        pool.call(wait_for, [], str(gate), deadline=time.monotonic() + 0.2)
    gate.touch()
    assert pool.call(wait_for, [], str(gate), deadline=time.monotonic() + 300)


def test_a_call_that_no_worker_has_begun_ends_when_the_calls_are_cancelled(tmp_path: Path) -> None:
    gate, errors = tmp_path / "gate", []

    def ask() -> None:
        try:
            workers.call(wait_for, [], str(gate))
        except ExpiredError as error:
            errors.append(error)

    with ThreadPoolExecutor(1) as executor, Workers(executor) as workers:
        executor.submit(wait_for, str(gate))
        asking = threading.Thread(target=ask)
        asking.start()
        while not workers._under_way:
            time.sleep(0.01)
        workers.cancel()
        asking.join()
        gate.touch()
    assert len(errors) == 1


class Silent(Executor):
    """An executor that lost its workers, and with them the answer to its last call."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        return Future()


def test_nobody_waits_for_workers_that_are_gone_without_a_word() -> None:
    with (
        Workers(Silent(), is_alive=lambda: False) as workers,
        pytest.raises(WorkersError, match="the workers are gone"),
    ):
        workers.call(total, [], np.ones(3))
