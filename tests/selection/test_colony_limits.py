"""A colony of as many features as there may be, and a process that ends while it works."""

from __future__ import annotations

import numpy as np
import pytest
from test_colony_interrupt import PREAMBLE, interrupted

from fer_fast import Colony, ParameterError

MOST = 2**24


def test_of_sixteen_million_equal_features_each_has_the_same_chance() -> None:
    # All weights are the largest there is: their sum has no bit to spare.
    colony = Colony(np.ones(MOST), n_ants=1, q0=0.0, min_features=4096, max_features=4096)
    (subset,) = colony.ask()
    assert len(np.unique(subset)) == 4096
    counts = np.histogram(subset, 16, (0, MOST))[0]
    # Pearson's statistic has 15 degrees of freedom: above 50 in one of 100,000 draws.
    assert ((counts - 256) ** 2 / 256).sum() < 50
    greedy = Colony(np.ones(MOST), n_ants=1, q0=1.0, min_features=5, max_features=5)
    np.testing.assert_array_equal(greedy.ask()[0], np.arange(5))


def test_one_feature_more_is_refused() -> None:
    with pytest.raises(ParameterError, match="n_features is 16777217"):
        Colony(np.ones(MOST + 1))


def test_a_process_ends_while_a_forest_that_was_left_behind_grows() -> None:
    code, out, err = interrupted(
        PREAMBLE
        + """
import numpy as np
from fer_fast import ForestFitness
rng = np.random.default_rng(0)
X, y = rng.normal(size=(4000, 500)).astype(np.float32), rng.integers(0, 5, 4000)
grown = ForestFitness(X, y, n_estimators=2**20)
begun, lock = [], threading.Lock()
def fitness(subset):
    with lock:
        begun.append(subset)
        is_second = len(begun) == 2
    if is_second:
        ready()
    return grown(subset)
reason = colony.run(fitness, n_jobs=2, interrupt_grace=0.05)
print(reason, colony.evaluations)
raise SystemExit(3)
"""
    )
    assert (code, out.split(), err) == (3, ["interrupted", "0"], "")
