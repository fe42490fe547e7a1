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
        "xi": draw(st.none() | share),
        "tau_min": draw(st.none() | st.floats(1e-6, 1)),
        "phi": draw(share),
        "min_features": smallest,
        "max_features": draw(st.none() | st.integers(smallest, n)),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }
    if draw(st.booleans()):
        tau0 = np.array(draw(st.lists(value, min_size=n, max_size=n)))
        tau0[draw(st.integers(0, n - 1))] = 1.0
        parameters["tau0"] = tau0
    return eta, parameters


@st.composite
def credit_colonies(draw):
    eta, parameters = draw(colonies())
    sizes = draw(st.sampled_from(["learned", "annealed"]))
    return eta, {**parameters, "deposit": "credit", "sizes": sizes}


def score(subset):
    """Few different scores, so that some tie, and none for some subsets."""
    return None if len(subset) % 7 == 3 else float(subset.sum() % 5)


def credit(subset, iteration):
    """What the features of a subset earn: of every order of magnitude, some of it negative."""
    rng = np.random.default_rng([iteration, *subset])
    scale = 10.0 ** rng.integers(-200, 200)
    return scale * (rng.normal(size=len(subset)) ** 3 - rng.integers(0, 3))


def assert_same(colony, reference):
    """To the last bit, since both do the same operations in the same order."""
    np.testing.assert_array_equal(colony.pheromone, reference.pheromone)
    assert colony.size_pheromone == dict(
        zip(reference.sizes, reference.size_pheromone, strict=True)
    )
    found = [colony.best_subset, colony.best_score, colony.best_fitness, colony.answer]
    best = reference.best
    expected = [None] * 3 if best is None else [best.subset, best.score, best.fitness]
    for one, other in zip(found, [*expected, reference.answer], strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(map(list, colony.credited)) == list(map(list, reference.credited))


@settings(max_examples=100)
@given(colonies())
def test_the_reference_builds_the_same_subsets_and_pheromone(case):
    eta, parameters = case
    colony, reference = Colony(eta, **parameters), ReferenceColony(eta, **parameters)
    for _ in range(4):
        subsets, expected = colony.ask(), reference.ask()
        assert [list(subset) for subset in subsets] == [list(subset) for subset in expected]
        assert_same(colony, reference)
        scores = [score(subset) for subset in subsets]
        colony.tell(scores)
        reference.tell(scores)
    assert_same(colony, reference)


@settings(max_examples=100)
@given(credit_colonies())
def test_the_reference_deposits_the_same_credit(case):
    eta, parameters = case
    colony, reference = Colony(eta, **parameters), ReferenceColony(eta, **parameters)
    for iteration in range(6):
        subsets, expected = colony.ask(), reference.ask()
        assert [list(subset) for subset in subsets] == [list(subset) for subset in expected]
        assert_same(colony, reference)
        scores = [score(subset) for subset in subsets]
        earned = [credit(subset, iteration) for subset in subsets]
        colony.tell(scores, earned)
        reference.tell(scores, earned)
    assert_same(colony, reference)


@settings(max_examples=50)
@given(credit_colonies(), st.randoms(use_true_random=False))
def test_a_colony_saved_between_any_two_calls_goes_on_with_the_same_credit(case, random):
    eta, parameters = case
    whole, saved = Colony(eta, **parameters), Colony(eta, **parameters)
    for iteration in range(4):
        subsets = whole.ask()
        whole.tell([score(s) for s in subsets], [credit(s, iteration) for s in subsets])
        saved = Colony.from_json(saved.to_json())
        saved.ask()
        ants = [ant for ant in saved.unscored() if score(subsets[ant]) is not None]
        random.shuffle(ants)
        for ant in ants:
            saved = Colony.from_json(saved.to_json())
            saved.record(ant, score(subsets[ant]), credit(subsets[ant], iteration))
        saved.close()
        assert saved.to_json() == whole.to_json()


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


def test_no_positive_desirability_is_rounded_to_nothing():
    # 0.01**200 is less than any float.
    colony = Colony([0.0, 0.01, 1.0], beta=200.0, n_ants=20, min_features=2, max_features=2)
    assert {tuple(subset) for subset in colony.ask()} == {(1, 2)}


def test_greedy_ants_take_the_largest_weights_and_avoid_each_other():
    eta = [0.5, 1.0, 0.9, 0.5, 0.1]
    colony = Colony(eta, q0=1.0, n_ants=2, xi=0.9, min_features=2, max_features=2)
    # The first wears features 1 and 2 down; of the next two, equally desirable, both are taken.
    assert [list(subset) for subset in colony.ask()] == [[1, 2], [0, 3]]
