"""One search: the colony and its fitness as the settings ask for them, and what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_fast._core import BinnedRows, Colony, Evaluation
from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import Rows
from fer_fast.faces.splitting import stratified_parts
from fer_fast.forest.subset import bin_rows
from fer_fast.progress import Reporter
from fer_fast.selection.desirability import forest_scores, scaled_scores
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
        The colony's answer, ascending.
    score : float
        What the fitness says of it.
    history : sequence of mappings
        One per iteration, as `Colony.history` describes.
    stopped_by : str
        What ended the search, as `Colony.run` says it.
    pheromone : ndarray of shape (n_features,), float64
        Where the search ended up.
    """

    subset: NDArray[np.int64]
    score: float
    history: Sequence[Mapping[str, Any]]
    stopped_by: str
    pheromone: NDArray[np.float64]


@dataclass(frozen=True)
class TrainingRows(Rows):
    """Rows that forests are grown on: those of real faces, then synthetic ones.

    Attributes
    ----------
    images : ndarray of shape (n_real,), int64
        The number of each real row's image, from 0: equal ones show the same face.
    """

    images: NDArray[np.int64]

    @cached_property
    def binned(self) -> BinnedRows:
        """The bins of all features, which native forests share; made when first asked for."""
        return bin_rows(self.X, n_jobs=-1)


def make_fitness(
    training: TrainingRows,
    validation: Rows | None,
    judge: FitnessSettings,
    forest: ForestSettings,
    *,
    deposit: Literal["best", "credit"],
    seed: int,
    n_jobs: int = 1,
) -> ForestFitness:
    """Return what judges a subset, and says what its features earned if ants deposit that.

    Parameters
    ----------
    training : TrainingRows
    validation : Rows or None
        Faces that show none of Training's. None: the real training rows judge, each by the trees
        that drew none of its image.
    judge : FitnessSettings
    forest : ForestSettings
    deposit : {"best", "credit"}
    seed : int
        Of the rows and of every forest.
    n_jobs : int
        Threads inside one evaluation.

    Raises
    ------
    ParameterError
        If so many rows cannot be drawn class by class, or none of them is real where they judge.
    """
    chosen = _fitness_rows(training.y, judge.fitness_rows, seed)
    are_all_native = isinstance(chosen, slice) and judge.fitness == "native"
    return ForestFitness(
        training.X[chosen],
        training.y[chosen],
        *(() if validation is None else (validation.X, validation.y)),
        **(_out_of_bag(training, chosen) if validation is None else {}),
        engine=judge.fitness,
        n_estimators=forest.trees,
        scoring=judge.scoring,
        credit=judge.credit if deposit == "credit" else None,
        max_depth=judge.fitness_depth,
        random_state=seed,
        n_jobs=n_jobs,
        binned=training.binned if are_all_native else None,
    )


def _out_of_bag(training: TrainingRows, chosen: NDArray[np.intp] | slice) -> dict[str, Any]:
    """Return which rows are twins, and which are judged."""
    n_real = len(training.images)
    n_synthetic = len(training.y) - n_real
    # A synthetic row is nobody's twin.
    own = training.images.max() + 1 + np.arange(n_synthetic)
    groups = np.concatenate([training.images, own])
    is_real = (np.arange(len(groups)) < n_real)[chosen]
    if not is_real.any():
        raise ParameterError(
            f"fitness_rows is {len(is_real)}, all of them synthetic, and only real rows judge",
            hint="draw more",
        )
    return {"twin_groups": groups[chosen], "is_judged": is_real if n_synthetic else None}


def measure_desirability(
    F: NDArray[np.float64],
    training: TrainingRows,
    settings: ColonySettings,
    forest: ForestSettings,
    run: RunSettings,
    *,
    deposit: Literal["best", "credit"],
) -> NDArray[np.float64]:
    """Return how useful each feature looks by itself on the real training rows.

    Parameters
    ----------
    F : ndarray of shape (n_features,), float64
        `desirability.anova_f` of those rows.
    training : TrainingRows
    settings : ColonySettings
    forest : ForestSettings
    run : RunSettings
    deposit : {"best", "credit"}
        What "auto" depends on.

    Returns
    -------
    ndarray of shape (n_features,), float64
    """
    measure = settings.desirability
    if measure == "auto":
        # Credit tells more than a hint does: what a hint has is soon earned, what it lacks is not.
        measure = "flat" if deposit == "credit" else "f_classif"
    if measure == "flat":
        return np.ones(len(F))
    if measure == "f_classif":
        return scaled_scores(F)
    n_real = len(training.images)
    return scaled_scores(
        forest_scores(
            training.X[:n_real],
            training.y[:n_real],
            measure,
            n_estimators=forest.trees,
            random_state=run.seed,
            n_jobs=run.jobs,
        )
    )


def make_colony(
    desirability: NDArray[np.float64],
    settings: ColonySettings,
    *,
    deposit: Literal["best", "credit"],
    seed: int,
) -> Colony:
    """Return a colony that has not yet searched.

    Where the best subset is reinforced, desirability guides the ants to the end. Where they deposit
    credit it is a trail to begin with, which they may unlearn: a heuristic that sees features one
    by one would go on to favour those that say the same.
    """
    n_features = len(desirability)
    min_features = min(settings.min_features or 1, n_features)
    largest = settings.max_features or n_features
    if settings.max_features is None:
        largest = max(min_features, (n_features + 1) // 2)
    is_credit = deposit == "credit"
    return Colony(
        np.ones(n_features) if is_credit else desirability,
        tau0=desirability if is_credit else None,
        n_ants=settings.ants,
        alpha=settings.alpha,
        beta=settings.beta,
        q0=settings.q0,
        rho=settings.rho,
        deposit=deposit,
        sizes=settings.sizes,
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
    deposit: Literal["best", "credit"],
    n_jobs: int | None = None,
    reporter: Reporter,
) -> Search:
    """Let a colony search, and report how it goes.

    Parameters
    ----------
    desirability : ndarray of shape (n_features,), float64
    fitness : Fitness
    settings : ColonySettings
    run : RunSettings
    deposit : {"best", "credit"}
    n_jobs : int or None
        Threads that call the fitness; None: the run's.
    reporter : Reporter

    Raises
    ------
    SelectionInterrupted
        On Ctrl-C.
    ParameterError
        If the time budget ended before the first evaluation did.
    """
    colony = make_colony(desirability, settings, deposit=deposit, seed=run.seed)
    if settings.time_budget is not None:
        fitness.deadline = time.monotonic() + settings.time_budget
    # Up to each iteration: while sizes are annealed, their numbers of ants differ.
    n_ants = [0, *accumulate(map(colony.ants_of, range(settings.iterations)))]
    with reporter.task("searching", n_ants[-1], "ants") as task:
        settled = 0

        def report(event: Evaluation) -> None:
            nonlocal settled
            done = n_ants[event.iteration] + event.settled
            status = f"iteration {event.iteration + 1}/{settings.iterations}"
            if event.best_score is not None:
                status += f" · best {event.best_score:.4f} with {event.best_size:,} features"
            task.advance(done - settled, f"{status} · {event.cache_hits} cached")
            settled = done

        stopped_by = colony.run(
            fitness,
            n_iterations=settings.iterations,
            n_jobs=run.jobs if n_jobs is None else n_jobs,
            time_budget=settings.time_budget,
            callback=report,
            interrupt_grace=_INTERRUPT_GRACE_S,
        )
    if stopped_by == "interrupted":
        # Evaluations that the colony left behind would keep their cores busy.
        fitness.deadline = time.monotonic()
        raise SelectionInterrupted(colony, len(desirability))
    return _found(colony, fitness, settings, stopped_by)


def _found(colony: Colony, fitness: Fitness, settings: ColonySettings, stopped_by: str) -> Search:
    subset, score = colony.answer, colony.best_score
    if subset is None:
        if stopped_by == "time_budget":
            ended = f"time_budget is {settings.time_budget:g} s"
            missing = "the first evaluation of a subset that is small enough"
        else:
            ended = f"iterations is {settings.iterations}"
            missing = "the sizes were annealed down to the largest subset"
        raise ParameterError(f"{ended}, which ended before {missing}: give it more")
    if score is None:
        # The features of most pheromone, which no ant has taken together.
        fitness.deadline = None
        judged = fitness(subset)
        score = judged[0] if isinstance(judged, tuple) else judged
    return Search(subset, score, colony.history, stopped_by, colony.pheromone)
