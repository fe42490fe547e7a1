"""One search: the colony and its fitness as the settings ask for them, and what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_fast._core import Colony, Evaluation
from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import Rows
from fer_fast.faces.splitting import stratified_parts
from fer_fast.progress import Reporter
from fer_fast.selection.fitness import ForestFitness
from fer_fast.settings import ColonySettings, FitnessSettings, ForestSettings, RunSettings

_INTERRUPT_GRACE_S = 1.0
"""How long evaluations under way may go on after Ctrl-C, in seconds."""


class SelectionInterrupted(KeyboardInterrupt):
    """Ctrl-C during selection; carries what the colony had found.

    Attributes
    ----------
    colony : Colony
        As the interrupt left it.
    n_features : int
        How many features there were to choose from.
    """

    def __init__(self, colony: Colony, n_features: int) -> None:
        super().__init__()
        self.colony = colony
        self.n_features = n_features


class Fitness(Protocol):
    """What a search has its subsets judged by; `ForestFitness` is one.

    Attributes
    ----------
    deadline : float or None
        A reading of `time.monotonic` after which evaluations are cut.
    """

    deadline: float | None

    def __call__(self, subset: NDArray[np.int64], /) -> float | tuple[float, NDArray[np.float64]]:
        """Score one subset, and perhaps say what each of its features earned."""

    def next_iteration(self, credited: Sequence[NDArray[np.int64]], /) -> None:
        """Hear what the colony has credited before it has the next subsets scored."""


@dataclass(frozen=True)
class Search:
    """What the colony did and chose.

    Attributes
    ----------
    subset : ndarray of shape (n_selected,), int64
        The best subset found, ascending.
    score : float
        The score by which it was chosen.
    history : sequence of mappings
        One per iteration, as `Colony.history` describes.
    stopped_by : str
        What ended the search, as `Colony.run` says it.
    """

    subset: NDArray[np.int64]
    score: float
    history: Sequence[Mapping[str, Any]]
    stopped_by: str


def make_fitness(
    training: Rows,
    validation: Rows,
    judge: FitnessSettings,
    forest: ForestSettings,
    *,
    seed: int,
    n_jobs: int = 1,
) -> ForestFitness:
    """Return what judges a subset.

    Parameters
    ----------
    training, validation : Rows
        Training's, balanced, and PublicTest's.
    judge : FitnessSettings
    forest : ForestSettings
    seed : int
        Of the rows and of every forest.
    n_jobs : int
        Threads inside one evaluation.

    Raises
    ------
    ParameterError
        If so many rows cannot be drawn class by class.
    """
    chosen = _fitness_rows(training.y, judge.fitness_rows, seed)
    out_of_bag = judge.judged_on == "out-of-bag"
    return ForestFitness(
        training.X[chosen],
        training.y[chosen],
        None if out_of_bag else validation.X,
        None if out_of_bag else validation.y,
        engine=judge.fitness,
        n_estimators=forest.trees,
        scoring=judge.scoring,
        max_depth=judge.fitness_depth,
        random_state=seed,
        n_jobs=n_jobs,
    )


def make_colony(
    desirability: NDArray[np.float64], settings: ColonySettings, *, seed: int
) -> Colony:
    """Return a colony that has not yet searched."""
    n_features = len(desirability)
    min_features = min(settings.min_features or 1, n_features)
    largest = settings.max_features or n_features
    if settings.max_features is None:
        largest = max(min_features, (n_features + 1) // 2)
    return Colony(
        desirability,
        n_ants=settings.ants,
        alpha=settings.alpha,
        beta=settings.beta,
        q0=settings.q0,
        rho=settings.rho,
        min_features=min_features,
        max_features=min(largest, n_features),
        seed=seed,
    )


def _fitness_rows(y: NDArray[np.int64], n_rows: int, seed: int) -> NDArray[np.intp] | slice:
    if n_rows == 0 or n_rows >= len(y):
        # A slice is no copy of what may be a gigabyte.
        return slice(None)
    try:
        rows, _ = stratified_parts(y, n_rows, random_state=seed)
    except ParameterError as error:
        raise ParameterError(f"fitness_rows is {n_rows}: {error}") from error
    return np.sort(rows)


def search(
    desirability: NDArray[np.float64],
    fitness: Fitness,
    settings: ColonySettings,
    run: RunSettings,
    *,
    reporter: Reporter,
) -> Search:
    """Let a colony search, and report how it goes.

    Raises
    ------
    SelectionInterrupted
        On Ctrl-C.
    ParameterError
        If the time budget ended before the first evaluation did.
    """
    colony = make_colony(desirability, settings, seed=run.seed)
    if settings.time_budget is not None:
        fitness.deadline = time.monotonic() + settings.time_budget
    with reporter.task("searching", settings.ants * settings.iterations, "ants") as task:
        settled = 0

        def report(event: Evaluation) -> None:
            nonlocal settled
            done = event.iteration * event.n_ants + event.settled
            status = f"iteration {event.iteration + 1}/{settings.iterations}"
            if event.best_score is not None:
                status += f" · best {event.best_score:.4f} with {event.best_size:,} features"
            task.advance(done - settled, f"{status} · {event.cache_hits} cached")
            settled = done

        stopped_by = colony.run(
            fitness,
            n_iterations=settings.iterations,
            n_jobs=run.jobs,
            time_budget=settings.time_budget,
            callback=report,
            interrupt_grace=_INTERRUPT_GRACE_S,
        )
    if stopped_by == "interrupted":
        # Evaluations that the colony left behind would keep their cores busy.
        fitness.deadline = time.monotonic()
        raise SelectionInterrupted(colony, len(desirability))
    if colony.best_subset is None or colony.best_score is None:
        raise ParameterError(
            f"time_budget is {settings.time_budget:g} s, which ended before the first evaluation: "
            "give it more"
        )
    return Search(colony.best_subset, colony.best_score, colony.history, stopped_by)
