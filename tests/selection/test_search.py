"""A search as the settings ask for it: which rows judge, and the bounds that the colony keeps."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from fer_fast.errors import ParameterError
from fer_fast.faces.dataset import Rows
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.search import make_colony, make_fitness
from fer_fast.settings import ColonySettings, FitnessSettings, ForestSettings

PLAIN: dict[str, Any] = {"scoring": "accuracy", "fitness_rows": 0}
SUBSET = np.arange(6)


def judge(training: Rows, validation: Rows, *, trees: int = 40, **chosen: Any) -> ForestFitness:
    settings = FitnessSettings(**PLAIN | chosen)
    return make_fitness(training, validation, settings, ForestSettings(trees=trees), seed=0)


def _rows(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    X = rng.normal(0, 1, (n, 6))
    X[:, :2] += np.stack([y % 2, y // 2], axis=1) * 1.5
    return Rows(X.astype(np.float32), y)


@pytest.fixture
def training() -> Rows:
    return _rows(0, 400)


@pytest.fixture
def validation() -> Rows:
    return _rows(1, 300)


def test_out_of_bag_rows_judge_without_the_validation_rows(
    training: Rows, validation: Rows
) -> None:
    wrong = Rows(validation.X, (validation.y + 1) % 4)
    score = judge(training, validation, judged_on="out-of-bag")(SUBSET)
    assert score == judge(training, wrong, judged_on="out-of-bag")(SUBSET)
    forest = RandomForestClassifier(40, oob_score=True, random_state=0)
    forest.fit(training.X, training.y)
    assert score == pytest.approx(forest.oob_score_, abs=0.05)
    right, mistaken = (judge(training, rows)(SUBSET) for rows in (validation, wrong))
    assert right > 0.5 > mistaken


def test_the_depth_bounds_the_trees_that_judge(training: Rows, validation: Rows) -> None:
    # A tree of one cut names two classes of four at most.
    predicted = judge(training, training, trees=1, fitness_depth=1).predict_proba(SUBSET)
    assert len(np.unique(predicted, axis=0)) == 2
    shallow, full = (judge(training, validation, fitness_depth=n)(SUBSET) for n in (3, None))
    forest = RandomForestClassifier(40, max_depth=3, random_state=0)
    forest.fit(training.X, training.y)
    assert shallow == pytest.approx(forest.score(validation.X, validation.y), abs=0.06)
    assert shallow != full


@pytest.mark.parametrize("fitness_rows", [0, 30])
def test_a_class_of_one_row_is_judged_with_the_others(
    training: Rows, validation: Rows, fitness_rows: int
) -> None:
    training.y[0] = 4
    fitness = judge(training, validation, fitness_rows=fitness_rows)
    assert fitness.classes_.tolist() == [0, 1, 2, 3, 4]
    assert fitness(SUBSET) > 0.3


@pytest.mark.parametrize("fitness_rows", [3, 397])
def test_a_part_too_small_for_every_class_is_refused(
    training: Rows, validation: Rows, fitness_rows: int
) -> None:
    with pytest.raises(ParameterError, match=rf"^fitness_rows is {fitness_rows}: .* 4 to 396"):
        judge(training, validation, fitness_rows=fitness_rows)


def test_all_rows_are_judged_without_a_copy(validation: Rows) -> None:
    training = Rows(np.zeros((4000, 6), np.float32), np.zeros(4000, np.int64))
    tracemalloc.start()
    try:
        judge(training, validation, fitness="sklearn")
        assert tracemalloc.get_traced_memory()[1] < training.X.nbytes
    finally:
        tracemalloc.stop()


def test_the_colony_stays_within_the_sizes_and_the_features_there_are() -> None:
    def sizes(n_features: int, **bounds: int) -> set[int]:
        settings = ColonySettings(ants=200, **bounds)
        colony = make_colony(np.ones(n_features), settings, seed=0)
        return {len(subset) for subset in colony.ask()}

    assert sizes(20, min_features=3, max_features=5) == {3, 5}
    assert sizes(20, min_features=50) == {20}
    assert max(sizes(20)) == 10
    assert max(sizes(21)) == 11
    assert sizes(20, min_features=12) == {12}
    assert max(sizes(20, max_features=0)) == 20
