"""The Rust colony against its NumPy reference, and both against exact probabilities."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from fer_fast import Colony
from fer_fast.selection.reference import ReferenceColony

share = st.floats(0, 1) | st.sampled_from([0.0, 1.0])


@st.composite
def colonies(draw):
    # Few different values make ties; zeros must wait until nothing else is left.
    value = st.sampled_from([0.0, 0.01, 0.25, 1.0]) | st.floats(0, 1e3)
    n = draw(st.integers(1, 40) | st.integers(1, 300))
    eta = np.array(draw(st.lists(value, min_size=n, max_size=n)))
    eta[draw(st.integers(0, n - 1))] = 1.0
    smallest = draw(st.sampled_from([1, n]) | st.integers(1, n))
    parameters = {
        "n_ants": draw(st.integers(1, 8)),
        "alpha": draw(st.floats(0, 4)),
        "beta": draw(st.floats(0, 4)),
        "q0": draw(share),
        "rho": draw(share),
        "xi": draw(share),
        "tau_min": draw(st.floats(1e-6, 1)),
        "phi": draw(share),
        "min_features": smallest,
        "max_features": draw(st.none() | st.integers(smallest, n)),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }
    return eta, parameters


def score(subset):
    """Few different scores, so that some tie, and none for some subsets."""
    return None if len(subset) % 7 == 3 else float(subset.sum() % 5)


@settings(max_examples=150)
@given(colonies())
def test_the_reference_builds_the_same_subsets_and_pheromone(case):
    eta, parameters = case
    colony, reference = Colony(eta, **parameters), ReferenceColony(eta, **parameters)
    for _ in range(4):
        subsets, expected = colony.ask(), reference.ask()
        assert [list(subset) for subset in subsets] == [list(subset) for subset in expected]
        np.testing.assert_allclose(colony.pheromone, reference.pheromone, rtol=1e-12, atol=0)
        scores = [score(subset) for subset in subsets]
        colony.tell(scores)
        reference.tell(scores)
    np.testing.assert_allclose(colony.pheromone, reference.pheromone, rtol=1e-12, atol=0)
    assert list(colony.size_pheromone) == reference.sizes
    np.testing.assert_allclose(
        list(colony.size_pheromone.values()), reference.size_pheromone, rtol=1e-12, atol=0
    )
    if reference.best is None:
        assert colony.best_subset is None
    else:
        assert list(colony.best_subset) == list(reference.best.subset)
        assert colony.best_score == reference.best.score
        assert colony.best_fitness == pytest.approx(reference.best.fitness, rel=1e-12)


def test_the_reference_agrees_where_every_level_of_the_sum_tree_is_used():
    n = 5_000
    eta = np.random.default_rng(3).random(n) ** 4
    parameters = {"n_ants": 4, "q0": 0.3, "min_features": 40, "max_features": n // 2, "seed": 1}
    colony, reference = Colony(eta, **parameters), ReferenceColony(eta, **parameters)
    for _ in range(2):
        subsets, expected = colony.ask(), reference.ask()
        assert [list(subset) for subset in subsets] == [list(subset) for subset in expected]
        scores = [float(len(subset)) for subset in subsets]
        colony.tell(scores)
        reference.tell(scores)
    np.testing.assert_array_equal(colony.pheromone, reference.pheromone)


def sequence_probability(sequence, weights, q0):
    """Probability that an ant takes the features of `sequence` in this order."""
    probability, left = 1.0, dict(enumerate(weights))
    for feature in sequence:
        is_best = feature == max(left, key=lambda j: (left[j], -j))
        probability *= q0 * is_best + (1 - q0) * left[feature] / sum(left.values())
        del left[feature]
    return probability


@pytest.mark.parametrize("q0", [0.0, 0.5])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_subsets_have_the_probability_of_sampling_without_replacement(size, q0):
    eta = np.array([0.1, 0.3, 1.0, 0.05, 0.3])
    n_ants = 40_000
    # Without local update every ant finds the same weights, here eta itself.
    colony = Colony(
        eta, n_ants=n_ants, q0=q0, beta=1.0, xi=0.0, min_features=size, max_features=size, seed=5
    )
    seen = [tuple(subset) for subset in colony.ask()]
    subsets = list(combinations(range(len(eta)), size))
    expected = [
        sum(sequence_probability(order, eta, q0) for order in permutations(subset))
        for subset in subsets
    ]
    observed = [seen.count(subset) for subset in subsets]
    assert chisquare(observed, n_ants * np.array(expected)).pvalue > 1e-3


def test_sizes_are_drawn_in_proportion_to_their_trail():
    colony = Colony(np.ones(8), n_ants=20_000, xi=0.0, rho=0.5, phi=1.0, seed=2)
    subsets = colony.ask()
    colony.tell([float(len(subset) == 4) for subset in subsets])
    trail = colony.size_pheromone
    assert trail == {1: 0.5, 2: 0.5, 4: 1.0, 8: 0.5}
    sizes = [len(subset) for subset in colony.ask()]
    observed = [sizes.count(size) for size in trail]
    expected = 20_000 * np.array(list(trail.values())) / sum(trail.values())
    assert chisquare(observed, expected).pvalue > 1e-3


def test_features_of_no_weight_come_last_in_their_order():
    colony = Colony([0.0, 1.0, 0.0, 0.5], q0=0.0, n_ants=50, min_features=3, max_features=3)
    assert {tuple(subset) for subset in colony.ask()} == {(0, 1, 3)}


def test_greedy_ants_take_the_largest_weights_and_avoid_each_other():
    eta = [0.5, 1.0, 0.9, 0.5, 0.1]
    colony = Colony(eta, q0=1.0, n_ants=2, xi=0.9, min_features=2, max_features=2)
    # The first wears features 1 and 2 down; of the next two, equally desirable, both are taken.
    assert [list(subset) for subset in colony.ask()] == [[1, 2], [0, 3]]
