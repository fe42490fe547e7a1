"""Workers: an executor that is asked again for what died with a worker."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
)
from contextlib import ExitStack, contextmanager
from typing import Any

from fer_fast import __version__
from fer_fast.errors import WorkersError
from fer_fast.execution.parcels import Absent, Parcel, call
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage.cache import scratch_dir

_MOST_DEATHS = 3
"""Of workers at one call, after which it is not asked again."""

_ROUND_S = 1.0
"""How often a call that waits looks whether there is still anybody to answer it."""

_DIED = "a worker died: what it had under way is asked again"

_GONE = "the workers are gone: whoever hands out their work has ended or cannot be reached"

MakeExecutor = Callable[[], Executor]


def _as_it_is(content: bytes) -> Any:
    return content


def _always() -> bool:
    return True


class ExpiredError(Exception):
    """Nobody waits for a call's answer any longer."""


class WorkerDeathsError(Exception):
    """A call has cost so many workers their lives that it is not asked again."""


class Workers:
    """Workers of an executor, which belong to nobody else while the context is open.

    A call whose worker dies is asked again. Where a pool breaks as a whole, each call that was
    under way may have been its death: the last try of each is made while no other is, so that only
    the guilty one fails.

    Parameters
    ----------
    executor : concurrent.futures.Executor or callable
        A callable makes one. It is called again where that one is broken for good, and what it made
        is shut down at the end. A broken `ProcessPoolExecutor` is made anew in any case.
    send : callable
        Turns the bytes that a worker lacks into what `call` is given for them, which is the bytes
        themselves where the executor has nothing better.
    is_alive : callable
        Tells whether the executor can still answer: one may lose its workers and leave a call that
        was made at that moment without an answer for ever.
    reporter : Reporter
        Told of deaths.
    """

    def __init__(
        self,
        executor: Executor | MakeExecutor,
        *,
        send: Callable[[bytes], Any] = _as_it_is,
        is_alive: Callable[[], bool] = _always,
        reporter: Reporter = SILENT,
    ) -> None:
        self._make: MakeExecutor | None = None
        self._executor: Executor | None = None
        if isinstance(executor, Executor):
            self._executor = executor
        else:
            self._make = executor
        self._send = send
        self._is_alive = is_alive
        self._reporter = reporter
        self._life = ExitStack()
        self._parcels: list[Parcel] = []
        self._changed = threading.Condition()
        self._under_way: set[Future[Any]] = set()
        self._n_calls = 0
        self._is_alone = False
        self._is_ending = False

    def __enter__(self) -> Workers:
        self._folder = self._life.enter_context(scratch_dir())
        if self._executor is None:
            self._executor = self._made()
        return self

    def __exit__(self, *_: object) -> None:
        self.cancel()
        while self._parcels:
            self.release(self._parcels[-1])
        self._life.close()

    def parcel(self, thing: Any) -> Parcel:
        """Return a parcel of an object, for `call`, until the workers are left."""
        parcel = Parcel(thing, self._folder)
        self._parcels.append(parcel)
        return parcel

    def release(self, parcel: Parcel) -> None:
        """Give up a parcel that no further call needs."""
        self._parcels.remove(parcel)
        parcel.release()

    def call(
        self,
        function: Callable[..., Any],
        parcels: Sequence[Parcel],
        *arguments: Any,
        deadline: float | None = None,
    ) -> Any:
        """Return ``function(*objects, *arguments)`` as a worker computes it; from any thread.

        Parameters
        ----------
        function : callable
            Importable where the workers are.
        parcels : sequence of Parcel
            Of the objects.
        *arguments
            What travels with each call.
        deadline : float or None
            A reading of `time.monotonic` after which nobody waits.

        Raises
        ------
        WorkerDeathsError
            If three workers died of it.
        WorkersError
            If there is no executor any more, or a worker has another release of this package.
        ExpiredError
            If the deadline has passed, or `cancel` was called.
        Exception
            Whatever the function raises.
        """
        deaths = 0
        while True:
            try:
                with self._turn(is_alone=deaths == _MOST_DEATHS - 1):
                    return self._attempt(function, parcels, arguments, deadline)
            except Exception as error:
                if not _is_death(error):
                    raise
                # Dask says so after several; the last try is made in any case.
                n_died = 1 + int(getattr(error, "allowed_failures", 0))
                deaths = max(deaths + 1, min(deaths + n_died, _MOST_DEATHS - 1))
                if deaths == _MOST_DEATHS:
                    raise WorkerDeathsError(f"{deaths} workers died of it") from error
                if not isinstance(error, BrokenExecutor):
                    self._reporter.note(_DIED)

    def cancel(self) -> None:
        """Let nobody wait any longer; calls that no worker has begun are not made."""
        with self._changed:
            self._is_ending = True
            under_way = list(self._under_way)
        for future in under_way:
            future.cancel()

    def _attempt(
        self,
        function: Callable[..., Any],
        parcels: Sequence[Parcel],
        arguments: Sequence[Any],
        deadline: float | None,
    ) -> Any:
        contents: list[Any] = []
        n_lost = 0
        while True:
            tickets = [parcel.ticket for parcel in parcels]
            try:
                answer = self._ask((function, tickets, arguments, *contents), deadline)
            except WorkersError:
                n_lost += 1
                if not any(contents) or n_lost == _MOST_DEATHS:
                    raise
                # What was sent may be gone with the worker that had it.
                for parcel in parcels:
                    parcel.forget_sent()
                contents = []
                continue
            if not isinstance(answer, Absent):
                return answer
            contents = []
            for parcel, ticket in zip(parcels, tickets, strict=True):
                is_absent = ticket.name in answer.names
                # A file may do where this process' memory does not, and bytes do anywhere.
                is_sent = is_absent and ticket.path is not None
                contents.append(parcel.sent(self._send) if is_sent else None)
                if is_absent:
                    parcel.pack()

    def _ask(self, asked: tuple[Any, ...], deadline: float | None) -> Any:
        executor = self._executor
        assert executor is not None
        try:
            future = executor.submit(call, __version__, *asked)
        except BrokenExecutor:
            # Another call's death.
            self._renew(executor)
            return self._ask(asked, deadline)
        except RuntimeError as error:
            raise WorkersError(f"the executor takes no calls any more ({error})") from error
        with self._changed:
            self._under_way.add(future)
            is_ending = self._is_ending
        if is_ending:
            future.cancel()
        try:
            return self._wait(future, deadline)
        except BrokenExecutor:
            self._renew(executor)
            raise
        finally:
            with self._changed:
                self._under_way.discard(future)

    def _wait(self, future: Future[Any], deadline: float | None) -> Any:
        until = math.inf if deadline is None else deadline
        while True:
            left = max(0.0, until - time.monotonic())
            was_alive = self._is_alive()
            try:
                # Not `concurrent.futures.wait`, to which a cancelled call is not done.
                return future.result(min(left, _ROUND_S))
            except CancelledError as error:
                if self._is_ending:
                    raise ExpiredError from error
                raise WorkersError(_GONE) from error
            except TimeoutError as error:
                if future.done() and not future.cancelled():
                    # It has just ended, or the error is the function's own.
                    return future.result()
                if left > _ROUND_S and was_alive:
                    continue
                future.cancel()
                if was_alive:
                    raise ExpiredError from error
                raise WorkersError(_GONE) from error

    @contextmanager
    def _turn(self, *, is_alone: bool) -> Iterator[None]:
        """Wait until a call may be made: beside others, or while there is none."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._is_alone and not (is_alone and self._n_calls > 0)
            )
            self._n_calls += 1
            self._is_alone = is_alone
        try:
            yield
        finally:
            with self._changed:
                self._n_calls -= 1
                self._is_alone = False
                self._changed.notify_all()

    def _renew(self, broken: Executor) -> None:
        """Put a new executor in the place of one that is broken for good."""
        with self._changed:
            if self._executor is not broken:
                return
            if self._make is None and type(broken) is ProcessPoolExecutor:
                self._make = _again(broken)
            if self._make is None:
                raise WorkersError(
                    f"a worker died, and a broken {type(broken).__name__} takes no calls any more",
                    hint="give a function that makes one, as executor=lambda: …",
                )
            self._executor = self._made()
        # Once, however many calls it has broken.
        self._reporter.note(_DIED)

    def _made(self) -> Executor:
        assert self._make is not None
        return self._life.enter_context(self._make())


def _again(pool: ProcessPoolExecutor) -> MakeExecutor:
    """Return what makes a pool like this one; the standard library says nowhere else how."""
    parts = (pool._max_workers, pool._mp_context, pool._initializer, pool._initargs)  # type: ignore[attr-defined]
    return lambda: ProcessPoolExecutor(*parts)


def _is_death(error: Exception) -> bool:
    # Where Dask has not been imported, nobody raises its errors.
    distributed = sys.modules.get("distributed")
    of_dask = () if distributed is None else (distributed.KilledWorker,)
    return isinstance(error, (BrokenExecutor, *of_dask))
