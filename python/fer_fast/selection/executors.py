"""Evaluations on the workers of an executor.

An evaluation is a pure function of what the workers hold, which travels once, and of a subset: the
same seed finds the same subset with any executor, number of workers and order of arrival.

A fitness that needs more than that has a method ``evaluate(subset, state)``, called in the workers,
an attribute `state`, what changes there from one iteration to the next, and a method ``take(subset,
answer)``, which makes a judgement of the answer here. Any other callable is sent as it is, and told
by its `next_iteration`, if it has one, in each worker.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_fast._core import Colony, EvaluationCut, EvaluationLost
from fer_fast.errors import ParameterError
from fer_fast.execution.parcels import Parcel
from fer_fast.execution.workers import ExpiredError, WorkerDeathsError, Workers
from fer_fast.selection.warning_types import WorkerDiedWarning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Subset = NDArray[np.int64]

MOST_UNDER_WAY = 2048
"""Evaluations asked for at one time, for each of which a thread waits."""


def run_on_executor(
    colony: Colony,
    fitness: Any,
    executor: Executor | Callable[[], Executor],
    n_jobs: int,
    **options: Any,
) -> str:
    """Run a colony as `Colony.run` describes it."""
    if n_jobs != 1:
        raise ParameterError(
            f"n_jobs is {n_jobs} beside an executor, which has workers of its own: give one of both"
        )
    with Workers(executor) as workers:
        judged = ExecutorFitness(fitness, workers)
        return colony.run(judged, n_jobs=MOST_UNDER_WAY, **options)


def _warn(message: str) -> None:
    warnings.warn(message, WorkerDiedWarning, stacklevel=4)


class ExecutorFitness:
    """A fitness whose subsets are judged by workers.

    Each call waits for its answer: as many threads as there may be subsets under way have to call.

    Parameters
    ----------
    fitness : callable
        It is pickled for workers that are other processes.
    workers : Workers
        Entered by the caller.
    warn : callable
        Told of each subset that has no score because workers died of it.
    """

    def __init__(
        self, fitness: Any, workers: Workers, *, warn: Callable[[str], object] = _warn
    ) -> None:
        self._fitness = fitness if hasattr(fitness, "evaluate") else _Plain(fitness)
        self._workers = workers
        self._warn = warn
        self._judge = workers.parcel(self._fitness)
        self._state: Parcel | None = None
        self._deadline: float | None = None
        if hasattr(fitness, "has_failed"):
            self.has_failed = fitness.has_failed

    @property
    def deadline(self) -> float | None:
        """A reading of `time.monotonic` after which evaluations are cut; None: no limit."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self._deadline = deadline
        if hasattr(self._fitness, "deadline"):
            self._fitness.deadline = deadline
        if deadline is not None and deadline <= time.monotonic():
            self._workers.cancel()

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Hear what the colony has credited before it has the next subsets scored."""
        if hasattr(self._fitness, "next_iteration"):
            self._fitness.next_iteration(credited)
        if self._state is not None:
            self._workers.release(self._state)
        state = self._fitness.state
        self._state = None if state is None else self._workers.parcel(state)
        if self._state is not None and self._judge.is_packed:
            # Whoever lacked the one will lack the other.
            self._state.pack()

    def __call__(self, subset: Subset) -> Any:
        """Score one subset.

        Raises
        ------
        EvaluationCut
            If the deadline has passed; an `EvaluationLost` if three workers died of the subset.
        WorkersError
            If there are no workers any more.
        """
        left = None if self._deadline is None else self._deadline - time.monotonic()
        if left is not None and left <= 0:
            raise EvaluationCut
        parcels = [self._judge, *([] if self._state is None else [self._state])]
        # Half the bytes, and no colony has so many features.
        sent = subset.astype(np.int32)
        try:
            answer = self._workers.call(_evaluate, parcels, sent, left, deadline=self._deadline)
        except ExpiredError as error:
            raise EvaluationCut from error
        except WorkerDeathsError as error:
            self._warn(f"a subset of {len(subset):,} features has no score: {error}")
            raise EvaluationLost from error
        return self._fitness.take(subset, answer)


def _evaluate(fitness: Any, *rest: Any) -> Any:
    """Evaluate a subset in a worker."""
    *state, subset, left = rest
    if hasattr(fitness, "deadline"):
        # Clocks of two machines have nothing to do with each other: what travels is what is left.
        fitness.deadline = None if left is None else time.monotonic() + left
    return fitness.evaluate(subset.astype(np.int64), state[0] if state else None)


class _Plain:
    """Any callable as a fitness that is evaluated in a worker."""

    def __init__(self, fitness: Callable[[Subset], Any]) -> None:
        self._fitness = fitness
        self.state: Sequence[Subset] | None = None
        self._told: Any = None
        self._telling = threading.Lock()

    def __reduce__(self) -> Any:
        return _Plain, (self._fitness,)

    def next_iteration(self, credited: Sequence[Subset]) -> None:
        """Keep what the workers are to be told."""
        self.state = list(credited)

    def evaluate(self, subset: Subset, state: Sequence[Subset] | None) -> Any:
        """Judge a subset, after the iteration's news."""
        if state is not None and hasattr(self._fitness, "next_iteration"):
            with self._telling:
                if self._told is not state:
                    self._fitness.next_iteration(state)
                    self._told = state
        return self._fitness(subset)

    def take(self, subset: Subset, answer: Any) -> Any:  # noqa: ARG002
        """Return the answer, which is a judgement."""
        return answer
