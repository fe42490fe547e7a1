"""How the settings decide what judges a subset, and which subsets are built."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from fer_fast.errors import ParameterError
from fer_fast.pipeline import make_colony, make_fitness
from fer_fast.settings import Settings

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]

PLAIN: dict[str, Any] = {"balance": "none", "scoring": "accuracy", "trees": 40, "fitness_rows": 0}
SUBSET = np.arange(6)


def _rows(seed: int, n: int) -> Rows:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, n)
    X = rng.normal(0, 1, (n, 6))
    X[:, :2] += np.stack([y % 2, y // 2], axis=1) * 1.5
    return X.astype(np.float32), y


@pytest.fixture
def training() -> Rows:
    return _rows(0, 400)


@pytest.fixture
def validation() -> Rows:
    return _rows(1, 300)


def test_out_of_bag_rows_judge_without_the_validation_rows(
    training: Rows, validation: Rows
) -> None:
    X, y = validation
    wrong = X, (y + 1) % 4
    out_of_bag = Settings(**PLAIN, judged_on="out-of-bag")
    score = make_fitness(training, validation, out_of_bag)(SUBSET)
    assert score == make_fitness(training, wrong, out_of_bag)(SUBSET)
    forest = RandomForestClassifier(40, oob_score=True, random_state=0).fit(*training)
    assert score == pytest.approx(forest.oob_score_, abs=0.05)
    on_validation = Settings(**PLAIN)
    right, mistaken = (
        make_fitness(training, rows, on_validation)(SUBSET) for rows in (validation, wrong)
    )
    assert right > 0.5 > mistaken


def test_the_depth_bounds_the_trees_that_judge(training: Rows, validation: Rows) -> None:
    # A tree of one cut names two classes of four at most.
    (X, y), stump = training, Settings(**PLAIN | {"trees": 1}, fitness_depth=1)
    predicted = make_fitness(training, (X, y), stump).predict_proba(SUBSET)
    assert len(np.unique(predicted, axis=0)) == 2
    shallow, full = (
        make_fitness(training, validation, Settings(**PLAIN, fitness_depth=depth))(SUBSET)
        for depth in (3, None)
    )
    forest = RandomForestClassifier(40, max_depth=3, random_state=0).fit(*training)
    assert shallow == pytest.approx(forest.score(*validation), abs=0.06)
    assert shallow != full


@pytest.mark.parametrize("fitness_rows", [0, 30])
def test_a_class_of_one_row_is_judged_with_the_others(
    training: Rows, validation: Rows, fitness_rows: int
) -> None:
    X, y = training
    y[0] = 4
    settings = Settings(**PLAIN | {"fitness_rows": fitness_rows})
    fitness = make_fitness((X, y), validation, settings)
    assert fitness.classes_.tolist() == [0, 1, 2, 3, 4]
    assert fitness(SUBSET) > 0.3


@pytest.mark.parametrize("fitness_rows", [3, 397])
def test_a_part_too_small_for_every_class_is_refused(
    training: Rows, validation: Rows, fitness_rows: int
) -> None:
    settings = Settings(**PLAIN | {"fitness_rows": fitness_rows})
    with pytest.raises(ParameterError, match=rf"^fitness_rows is {fitness_rows}: .* 4 to 396"):
        make_fitness(training, validation, settings)


def test_all_rows_are_judged_without_a_copy(validation: Rows) -> None:
    X, y = np.zeros((4000, 6), np.float32), np.zeros(4000, np.int64)
    tracemalloc.start()
    try:
        make_fitness((X, y), validation, Settings(**PLAIN, fitness="sklearn"))
        assert tracemalloc.get_traced_memory()[1] < X.nbytes
    finally:
        tracemalloc.stop()


def test_the_colony_stays_within_the_sizes_and_the_features_there_are() -> None:
    def sizes(n_features: int, **bounds: int) -> set[int]:
        colony = make_colony(np.ones(n_features), Settings(ants=200, **bounds))
        return {len(subset) for subset in colony.ask()}

    assert sizes(20, min_features=3, max_features=5) == {3, 5}
    assert sizes(20, min_features=50) == {20}
    assert max(sizes(20)) == 10
    assert max(sizes(21)) == 11
    assert sizes(20, min_features=12) == {12}
    assert max(sizes(20, max_features=0)) == 20


@pytest.mark.parametrize(
    ("name", "value"), [("balance", "smote"), ("head", "dense"), ("mirror", True)]
)
def test_rows_that_the_features_or_the_forest_know_do_not_judge(name: str, value: object) -> None:
    with pytest.raises(ParameterError, match=f"judged_on is 'out-of-bag' and {name} is {value!r}"):
        Settings(**{"balance": "none", "judged_on": "out-of-bag", name: value})
