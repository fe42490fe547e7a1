"""A colony that deposits credit: what its users see of it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from small_colony import ETA, by_hand, colony, credit, fitness, picture

from fer_fast import Colony, EvaluationCut
from fer_fast.errors import ParameterError


def judge(subset):
    return fitness(subset), credit(subset)


def crediting(**parameters):
    return colony(deposit="credit", **parameters)


EXACTLY_FOUR = {"min_features": 4, "max_features": 4}
SHAPES = [{}, EXACTLY_FOUR, {"sizes": "annealed", **EXACTLY_FOUR}]


@pytest.mark.parametrize("parameters", SHAPES)
@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_any_number_of_threads_deposits_the_same(n_jobs, parameters):
    one = crediting(**parameters)
    assert one.run(judge, n_iterations=8, n_jobs=n_jobs) == "iterations"
    assert picture(one) == picture(by_hand(crediting(**parameters), 8))


def test_the_features_that_earn_are_found_among_many_without_any_hint():
    useful = np.arange(5, 2_000, 250)

    def judge(subset):
        earned = np.isin(subset, useful).astype(float)
        return earned.sum(), earned

    size = {"min_features": len(useful), "max_features": len(useful)}
    one = Colony(np.ones(2_000), deposit="credit", sizes="annealed", **size)
    one.run(judge, n_iterations=12)
    assert one.answer.tolist() == useful.tolist()
    other = Colony(np.ones(2_000), n_ants=20, **size)
    other.run(judge, n_iterations=12)
    assert other.best_score < len(useful)


def test_ants_share_the_pheromone_of_their_path_out():
    one = Colony(np.ones(4), deposit="credit", n_ants=1, rho=0.5, min_features=2, max_features=2)
    (path,) = one.ask()
    one.tell([1.0], [[3.0, 1.0]])
    # 2 units are shared out as 3 to 1, and half of the change is made; then two average 1.
    raw = np.ones(4)
    raw[path] = 0.5 + 0.5 * np.array([1.5, 0.5])
    expected = raw / np.sort(raw)[-2:].mean()
    np.testing.assert_allclose(one.pheromone, expected, rtol=1e-12)


def test_an_ant_that_earned_nothing_or_was_cut_deposits_nothing():
    one = crediting()
    subsets = one.ask()
    before = one.pheromone
    nothing = [-np.abs(credit(subset)) for subset in subsets]
    one.tell([1.0] * 8, nothing)
    np.testing.assert_array_equal(one.pheromone, before)
    one.ask()
    one.close()
    np.testing.assert_array_equal(one.pheromone, before)
    assert [row["credited"] for row in one.history] == [8, 0]


def test_the_history_counts_ants_and_credit_where_sizes_are_annealed():
    one = crediting(sizes="annealed", **EXACTLY_FOUR)
    one.run(judge, n_iterations=6)
    rows = one.history
    assert [row["mean_size"] for row in rows] == [60, 30, 15, 7, 4, 4]
    assert [row["n_ants"] for row in rows] == [1, 2, 4, 8, 8, 8]
    assert all(row["credited"] + row["cache_hits"] >= row["n_ants"] for row in rows)
    # Larger subsets than wanted are no answer, however good.
    assert [row["best_size"] for row in rows] == [None] * 4 + [4, 4]
    assert one.n_ants == 8


def test_events_tell_the_number_of_ants_of_their_iteration():
    events = []
    one = crediting(sizes="annealed", **EXACTLY_FOUR)
    one.run(judge, n_iterations=3, n_jobs=2, callback=events.append)
    assert [event.n_ants for event in events] == [1, 2, 2, 4, 4, 4, 4]
    assert [event.settled for event in events] == [1, 1, 2, 1, 2, 3, 4]


def test_until_a_subset_of_its_size_is_judged_the_answer_is_what_a_greedy_ant_takes():
    one = crediting(sizes="annealed", **EXACTLY_FOUR)
    assert one.answer is None
    for _ in range(4):
        one.run(judge, n_iterations=1)
        greedy = Colony(
            ETA, deposit="credit", q0=1.0, tau0=one.pheromone, tau_min=1e-12, **EXACTLY_FOUR
        )
        assert one.best_subset is None
        assert one.answer.tolist() == greedy.ask()[0].tolist()
    one.run(judge, n_iterations=1)
    assert one.answer.tolist() == one.best_subset.tolist()


class Remembers:
    """A fitness whose credit depends on what the ants before have found."""

    def __init__(self):
        self.told = []
        self.threads = set()

    def next_iteration(self, credited):
        self.threads.add(threading.current_thread())
        self.told.append([subset.tolist() for subset in credited])
        self.seen = np.bincount(np.concatenate([*credited, [0]]), minlength=60)

    def __call__(self, subset):
        return fitness(subset), credit(subset) / (1 + self.seen[subset])


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_a_fitness_is_told_what_was_credited_before_each_iteration(n_jobs):
    one, teller = crediting(), Remembers()
    expected = []
    for _ in range(4):
        expected.append([subset.tolist() for subset in one.credited])
        one.run(teller, n_iterations=1, n_jobs=n_jobs)
    assert teller.told == expected
    assert expected[0] == []
    assert len(expected[3]) == one.history[2]["credited"] > 0
    assert teller.threads == {threading.current_thread()}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_credit_that_depends_on_the_last_iteration_survives_a_restart(n_jobs):
    whole, parts = crediting(), crediting()
    whole.run(Remembers(), n_iterations=5)
    for evaluations in (3, 11, 14, 25, 1_000):
        # A new fitness each time knows nothing but what it is told.
        parts = Colony.from_json(parts.to_json())
        left = 5 - parts.iteration
        stop = evaluations - parts.evaluations
        parts.run(
            Remembers(),
            n_iterations=left,
            n_jobs=n_jobs,
            callback=lambda event, at=parts.evaluations + stop: event.evaluations >= at,
        )
    assert picture(parts) == picture(whole)


def test_ctrl_c_while_the_fitness_is_told_starts_no_evaluation():
    class Interrupted:
        def next_iteration(self, _):
            raise KeyboardInterrupt

        def __call__(self, _subset):
            raise AssertionError

    one = crediting()
    assert one.run(Interrupted()) == "interrupted"
    assert one.evaluations == 0


def test_next_iteration_may_say_that_the_budget_is_spent_or_fail():
    class Spent:
        def next_iteration(self, _):
            if one.iteration == 2:
                raise EvaluationCut

        def __call__(self, subset):
            return judge(subset)

    one = crediting()
    assert one.run(Spent(), n_iterations=9, time_budget=3600) == "time_budget"
    assert one.iteration == 2
    # Without a budget nothing says when it would be over.
    with pytest.raises(EvaluationCut):
        one.run(Spent(), n_iterations=9)
    assert one.run(judge, n_iterations=2) == "iterations"
    assert picture(one) == picture(by_hand(crediting(), 4))


@pytest.mark.parametrize(
    ("returned", "error", "says"),
    [
        (lambda _: 0.5, ParameterError, "has a score but no credit"),
        (lambda s: (0.5, np.ones(len(s) + 1)), ParameterError, "values for .* features"),
        (lambda s: (0.5, np.full(len(s), np.nan)), ParameterError, "holds NaN at place 0"),
        (lambda s: (0.5, np.ones((1, len(s)))), TypeError, "array of credits"),
        (lambda _: (0.5, "much"), TypeError, "array of credits"),
        (lambda _: (0.5, None), TypeError, "array of credits"),
        (lambda s: (float("nan"), np.ones(len(s))), ValueError, "returned .nan"),
        (lambda s: (0.5, np.ones(len(s)), 1), TypeError, "array of credits"),
    ],
)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_fitness_without_a_usable_credit_is_named(n_jobs, returned, error, says):
    one = crediting()
    with pytest.raises(error, match=says) as caught:
        one.run(returned, n_jobs=n_jobs)
    assert "in iteration 0" in str(caught.value)
    assert one.evaluations == 0


def test_a_colony_that_reinforces_the_best_heeds_no_credit():
    with_credit, without = colony(), colony()
    with_credit.run(judge, n_iterations=3)
    without.run(fitness, n_iterations=3)
    assert with_credit.to_json() == without.to_json()
    assert with_credit.credited == []


def test_a_fitness_that_cannot_be_told_is_refused():
    class Wrong:
        next_iteration = 3

        def __call__(self, subset):
            return judge(subset)

    with pytest.raises(TypeError, match="next_iteration must be callable"):
        crediting().run(Wrong())
