"""A search as the settings ask for it: which rows judge, and the bounds that the colony keeps."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import Rows
from fer_fast.progress import SILENT
from fer_fast.selection.desirability import anova_f
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.search import (
    TrainingRows,
    make_colony,
    make_fitness,
    measure_desirability,
    search,
)
from fer_fast.settings import ColonySettings, FitnessSettings, ForestSettings, RunSettings

PLAIN: dict[str, Any] = {"scoring": "accuracy", "fitness_rows": 0}
SUBSET = np.arange(6)


def judge(
    training: TrainingRows,
    validation: Rows | None,
    *,
    trees: int = 40,
    deposit: Literal["best", "credit"] = "best",
    **chosen: Any,
) -> ForestFitness:
    settings = FitnessSettings(**PLAIN | chosen)
    forest = ForestSettings(trees=trees)
    return make_fitness(training, validation, settings, forest, deposit=deposit, seed=0)


def score_of(fitness: ForestFitness) -> float:
    score = fitness(SUBSET)
    assert isinstance(score, float)
    return score


def _rows(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    X = rng.normal(0, 1, (n, 6))
    X[:, :2] += np.stack([y % 2, y // 2], axis=1) * 1.5
    return Rows(X.astype(np.float32), y)


@pytest.fixture
def training() -> TrainingRows:
    rows = _rows(0, 400)
    return TrainingRows(rows.X, rows.y, np.arange(400))


@pytest.fixture
def validation() -> Rows:
    return _rows(1, 300)


def test_training_rows_judge_out_of_bag_unless_others_are_given(
    training: TrainingRows, validation: Rows
) -> None:
    forest = RandomForestClassifier(40, oob_score=True, random_state=0)
    forest.fit(training.X, training.y)
    assert score_of(judge(training, None)) == pytest.approx(forest.oob_score_, abs=0.05)
    wrong = Rows(validation.X, (validation.y + 1) % 4)
    right, mistaken = (score_of(judge(training, rows)) for rows in (validation, wrong))
    assert right > 0.5 > mistaken


def test_faces_that_training_holds_twice_are_not_known_by_heart() -> None:
    rng = np.random.default_rng(5)
    # Nothing to learn but by heart.
    X, y = rng.normal(size=(200, 6)).astype(np.float32), rng.integers(0, 4, 200)
    images = np.tile(np.arange(200), 2)
    doubled = TrainingRows(np.tile(X, (2, 1)), np.tile(y, 2), images)
    strangers = TrainingRows(doubled.X, doubled.y, np.arange(400))
    known, honest = (score_of(judge(rows, None)) for rows in (strangers, doubled))
    assert known > 0.5 > 0.4 > honest


def test_synthetic_rows_are_drawn_and_judge_nothing(training: TrainingRows) -> None:
    def with_synthetic(labels: NDArray[np.int64], deposit: Any) -> Any:
        rows = TrainingRows(
            np.concatenate([training.X, training.X[:200]]),
            np.concatenate([training.y, labels]),
            training.images,
        )
        return judge(rows, None, deposit=deposit)

    wrong = (training.y[:200] + 1) % 4
    # Were wrong copies judged, the score would fall far more than by what they teach.
    spoilt = with_synthetic(wrong, "best").predict_proba(SUBSET)
    assert np.isnan(spoilt[400:]).all()
    assert not np.isnan(spoilt[:400]).any()
    assert score_of(with_synthetic(wrong, "best")) < score_of(judge(training, None))
    accuracy = (spoilt[:400].argmax(axis=1) == training.y).mean()
    assert score_of(with_synthetic(wrong, "best")) == pytest.approx(accuracy)
    # Nor do they credit: what the judged rows have is all that there is.
    fitness = with_synthetic(wrong, "credit")
    fitness.next_iteration([SUBSET])
    score, credit = fitness(SUBSET)
    assert 0 < score < 1
    assert np.isfinite(credit).all()
    assert not fitness._residual.values[400:].any()


def test_rows_that_are_all_synthetic_are_refused() -> None:
    # One row of each class is drawn, of two, and a single row is real.
    rows = TrainingRows(np.zeros((8, 6), np.float32), np.arange(8) // 2, np.arange(1))

    def attempt(seed: int) -> bool:
        settings = FitnessSettings(**PLAIN | {"fitness_rows": 4})
        try:
            make_fitness(rows, None, settings, ForestSettings(trees=2), deposit="best", seed=seed)
        except ParameterError as error:
            return "all of them synthetic" in str(error)
        return False

    # The real row is drawn, or the other of its class.
    assert 5 < sum(map(attempt, range(40))) < 35


def test_the_depth_bounds_the_trees_that_judge(training: TrainingRows, validation: Rows) -> None:
    # A tree of one cut names two classes of four at most.
    predicted = judge(training, training, trees=1, fitness_depth=1).predict_proba(SUBSET)
    assert len(np.unique(predicted, axis=0)) == 2
    shallow, full = (score_of(judge(training, validation, fitness_depth=n)) for n in (3, None))
    forest = RandomForestClassifier(40, max_depth=3, random_state=0)
    forest.fit(training.X, training.y)
    assert shallow == pytest.approx(forest.score(validation.X, validation.y), abs=0.06)
    assert shallow != full


@pytest.mark.parametrize("fitness_rows", [0, 30])
def test_a_class_of_one_row_is_judged_with_the_others(
    training: TrainingRows, validation: Rows, fitness_rows: int
) -> None:
    training.y[0] = 4
    fitness = judge(training, validation, fitness_rows=fitness_rows)
    assert fitness.classes_.tolist() == [0, 1, 2, 3, 4]
    assert score_of(fitness) > 0.3


@pytest.mark.parametrize("fitness_rows", [3, 397])
def test_a_part_too_small_for_every_class_is_refused(
    training: TrainingRows, validation: Rows, fitness_rows: int
) -> None:
    with pytest.raises(ParameterError, match=rf"^fitness_rows is {fitness_rows}: .* 4 to 396"):
        judge(training, validation, fitness_rows=fitness_rows)


def test_all_rows_are_judged_without_a_copy(validation: Rows) -> None:
    zeros = np.zeros(4000, np.int64)
    training = TrainingRows(np.zeros((4000, 6), np.float32), zeros, np.arange(4000))
    tracemalloc.start()
    try:
        judge(training, validation, fitness="sklearn")
        assert tracemalloc.get_traced_memory()[1] < training.X.nbytes
    finally:
        tracemalloc.stop()


def test_the_colony_stays_within_the_sizes_and_the_features_there_are() -> None:
    def sizes(n_features: int, **bounds: int) -> set[int]:
        settings = ColonySettings(ants=200, **bounds)
        colony = make_colony(np.ones(n_features), settings, deposit="best", seed=0)
        return {len(subset) for subset in colony.ask()}

    assert sizes(20, min_features=3, max_features=5) == {3, 5}
    assert sizes(20, min_features=50) == {20}
    assert max(sizes(20)) == 10
    assert max(sizes(21)) == 11
    assert sizes(20, min_features=12) == {12}
    assert max(sizes(20, max_features=0)) == 20


class Counter:
    """A reporter and its own task: what was counted."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def task(self, description: str, total: int, unit: str = "") -> Any:  # noqa: ARG002
        self.total = total
        return nullcontext(self)

    def advance(self, steps: int = 1, status: str = "") -> None:  # noqa: ARG002
        assert steps >= 0
        self.done += steps

    def note(self, message: str) -> None:
        pass

    warn = note


def find(training: TrainingRows, reporter: Any = SILENT, jobs: int = 1, **chosen: Any) -> Any:
    settings = ColonySettings(**{"ants": 5, "iterations": 2} | chosen)
    fitness = judge(training, None, deposit="credit", scoring="brier")
    run = RunSettings(jobs=jobs, seed=3)
    return search(np.ones(6), fitness, settings, run, deposit="credit", reporter=reporter)


@pytest.mark.parametrize("sizes", ["learned", "annealed"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_counts_every_ant_of_iterations_of_any_size(
    training: TrainingRows, sizes: str, jobs: int
) -> None:
    counter = Counter()
    found = find(training, counter, jobs, sizes=sizes, iterations=4, min_features=1, max_features=2)
    assert found.stopped_by == "iterations"
    assert counter.done == counter.total == sum(row["n_ants"] for row in found.history)
    # All six features and three of them come first, with one ant and two.
    ants = [row["n_ants"] for row in found.history]
    assert ants == ([1, 2, 5, 5] if sizes == "annealed" else [5] * 4)


def test_the_answer_is_the_colonys_and_has_its_score(training: TrainingRows) -> None:
    # The first two features alone tell the classes; no ant of two features has been judged yet.
    early = find(training, sizes="annealed", iterations=2, min_features=2, max_features=2)
    late = find(training, sizes="annealed", iterations=4, min_features=2, max_features=2)
    for found in (early, late):
        assert found.subset.tolist() == [0, 1]
        scored = judge(training, None, deposit="credit", scoring="brier")(found.subset)
        assert found.score == scored[0]
    assert late.history[-1]["best_score"] == late.score
    assert early.history[-1]["best_score"] is None


def test_an_end_without_an_answer_says_what_to_give_more_of(training: TrainingRows) -> None:
    with pytest.raises(ParameterError, match=r"^iterations is 2, .* annealed"):
        find(training, sizes="annealed", iterations=2, min_features=1, max_features=1 + 1)


def test_credit_makes_a_first_trail_of_the_desirability() -> None:
    eta = np.array([4.0, 1, 1, 1, 1, 1])
    settings = ColonySettings(min_features=6, max_features=6)
    hinted = make_colony(eta, settings, deposit="credit", seed=0).pheromone
    np.testing.assert_allclose(hinted / hinted[1], eta)
    assert set(make_colony(eta, settings, deposit="best", seed=0).pheromone) == {1.0}


@pytest.mark.parametrize("measure", ["f_classif", "importances", "oob_gain", "flat", "auto"])
@pytest.mark.parametrize("deposit", ["best", "credit"])
def test_desirability_is_measured_on_real_rows_alone(
    training: TrainingRows, measure: Any, deposit: Any
) -> None:
    def measured(rows: TrainingRows) -> NDArray[np.float64]:
        F = anova_f(training.X, training.y)
        settings = ColonySettings(desirability=measure)
        parts = settings, ForestSettings(trees=30), RunSettings(jobs=1)
        return measure_desirability(F, rows, *parts, deposit=deposit)

    spoilt = TrainingRows(
        np.concatenate([training.X, training.X + 9]), np.tile(training.y[::-1], 2), training.images
    )
    spoilt.y[:400] = training.y
    values = measured(training)
    np.testing.assert_array_equal(values, measured(spoilt))
    if measure == "flat" or (measure, deposit) == ("auto", "credit"):
        assert set(values) == {1.0}
    else:
        assert values[:2].min() > values[2:].max()
