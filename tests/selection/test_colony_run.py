"""`Colony` as its users meet it: ask and tell, run, errors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import traceback
from contextvars import ContextVar
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from small_colony import ETA, by_hand, colony, credit, fitness, picture

from fer_fast import Colony, EvaluationCut
from fer_fast.errors import ParameterError


@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_any_number_of_threads_gives_what_ask_and_tell_give(n_jobs):
    one = colony()
    assert one.run(fitness, n_iterations=5, n_jobs=n_jobs) == "iterations"
    assert picture(one) == picture(by_hand(colony(), 5))


def test_scores_for_all_ants_may_be_told_as_well():
    one = colony()
    for _ in range(5):
        one.tell([fitness(subset) for subset in one.ask()])
    assert picture(one) == picture(by_hand(colony(), 5))


def test_subsets_are_ascending_int64_of_the_allowed_sizes():
    for subset in colony(n_ants=50, min_features=3, max_features=17).ask():
        assert subset.dtype == np.int64
        assert (np.diff(subset) > 0).all()
        assert len(subset) in {3, 6, 12, 17}


def test_no_subset_is_scored_twice():
    seen = []

    def remember(subset):
        seen.append(tuple(subset))
        return fitness(subset)

    one = Colony(ETA[:5], n_ants=20, seed=1)
    reason = one.run(remember, n_iterations=50)
    assert reason == "converged"
    assert len(seen) == len(set(seen)) == one.evaluations
    assert sum(row["evaluations"] for row in one.history) == len(seen)
    assert sum(row["cache_hits"] for row in one.history) == 20 * len(one.history) - len(seen)
    assert one.history[-1]["evaluations"] == 0


def test_the_largest_subsets_are_scored_first():
    one = colony(n_ants=20)
    subsets = one.ask()
    ants = sorted(one.unscored(), key=lambda ant: len(subsets[ant]), reverse=True)
    assert ants != one.unscored()
    events = []
    one.run(fitness, n_iterations=1, callback=events.append)
    assert [event.ant for event in events] == ants


def test_the_history_tells_scores_and_sizes():
    one = colony(phi=0.9)
    subsets = one.ask()
    scores = [fitness(subset) for subset in subsets]
    one.tell(scores)
    (row,) = one.history
    sizes = np.array([len(subset) for subset in subsets])
    worth = 0.9 * np.array(scores) + 0.1 * (1 - sizes / 60)
    best = worth.argmax()
    assert row["iteration"] == 0
    assert row["best_score"] == one.best_score == scores[best]
    assert row["best_size"] == sizes[best]
    assert row["best_fitness"] == pytest.approx(worth.max())
    assert row["mean_score"] == pytest.approx(np.mean(scores))
    assert row["mean_size"] == sizes.mean()
    assert row["complete"]


def test_ask_repeats_itself_until_told():
    one = colony()
    first, second = one.ask(), one.ask()
    assert all(map(np.array_equal, first, second))
    one.tell([None] * 8)
    assert not all(map(np.array_equal, first, one.ask()))
    assert one.best_subset is None
    assert one.best_score is None
    assert one.history[0]["mean_score"] is None
    assert not one.history[0]["complete"]


def test_a_colony_finds_the_features_that_count():
    useful = {3, 14, 15, 53}
    eta = np.full(60, 0.2)
    eta[[3, 14]] = 0.8
    one = Colony(eta, n_ants=30, q0=0.3, seed=0)
    one.run(lambda s: len(useful & set(s)) - 0.05 * len(s), n_iterations=60)
    assert set(one.best_subset) >= useful
    assert len(one.best_subset) <= 8


class Odd:
    def __float__(self):
        raise ZeroDivisionError("odd")


@pytest.mark.parametrize(
    ("returned", "error", "says"),
    [
        (float("nan"), ValueError, "returned nan .float. for ant [0-7] in iteration 0"),
        (float("inf"), ValueError, "finite number"),
        ("0.5", TypeError, "returned '0.5' .str."),
        (None, TypeError, "returned None"),
        ([0.5], TypeError, "list"),
        (1j, TypeError, "complex"),
    ],
)
def test_a_fitness_that_returns_no_finite_number_is_named(returned, error, says):
    one = colony()
    with pytest.raises(error, match=says):
        one.run(lambda _: returned)
    assert one.best_score is None


def test_why_a_result_is_no_number_is_kept():
    with pytest.raises(TypeError, match="Odd") as caught:
        colony().run(lambda _: Odd())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_more_threads_than_ants_and_a_grace_without_end_are_no_trouble():
    def interrupt(_):
        raise KeyboardInterrupt

    one = colony()
    assert one.run(fitness, n_jobs=1_000_000, n_iterations=1) == "iterations"
    assert one.run(fitness, callback=interrupt, interrupt_grace=1e19) == "interrupted"


@pytest.mark.parametrize("returned", [1, True, np.float32(1), np.float64(1), np.int64(1)])
def test_any_real_number_is_a_score(returned):
    one = colony()
    one.run(lambda _: returned, n_iterations=1)
    assert one.best_score == 1.0


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_an_exception_of_the_fitness_comes_back_as_itself_with_its_traceback(n_jobs):
    error = BrokenError("as it was")

    def deep_inside(subset):
        if len(subset) > 10:
            raise error
        return fitness(subset)

    one = colony()
    with pytest.raises(BrokenError) as caught:
        one.run(deep_inside, n_jobs=n_jobs)
    assert caught.value is error
    assert "deep_inside" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    # What was scored before is kept, and a fitness that works takes over.
    assert one.run(fitness, n_iterations=5) == "iterations"
    assert one.best_subset.tolist() == by_hand(colony(), 5).best_subset.tolist()


def test_an_exception_of_the_callback_comes_back_as_itself():
    def callback(_):
        raise BrokenError

    with pytest.raises(BrokenError):
        colony().run(fitness, callback=callback)


def test_the_callback_learns_of_every_evaluation_in_the_callers_thread():
    events, threads = [], set()

    def callback(event):
        threads.add(threading.current_thread())
        events.append(event)

    one = colony()
    one.run(fitness, n_iterations=4, n_jobs=3, callback=callback)
    assert threads == {threading.current_thread()}
    assert len(events) == one.evaluations
    assert [event.evaluations for event in events] == list(range(1, len(events) + 1))
    for row in one.history:
        mine = [event for event in events if event.iteration == row["iteration"]]
        assert {event.n_ants for event in mine} == {8}
        assert [event.settled for event in mine][-1] == 8
        assert mine[-1].cache_hits == row["cache_hits"]
        assert mine[-1].best_score == row["best_score"]
        assert mine[-1].best_size == row["best_size"]
    assert [event.elapsed for event in events] == sorted(event.elapsed for event in events)
    assert "ant=" in repr(events[0])


def test_a_run_that_the_callback_ends_can_be_continued_to_the_same_result():
    one = colony()
    reason = one.run(fitness, n_iterations=5, callback=lambda event: event.evaluations == 11)
    assert reason == "callback"
    assert one.evaluations == 11
    assert not one.history[-1]["complete"]
    assert one.best_score is not None
    assert one.run(fitness, n_iterations=5 - one.iteration) == "iterations"
    assert picture(one) == picture(by_hand(colony(), 5))


def test_a_run_stopped_at_the_last_ant_of_an_iteration_has_not_converged():
    whole = colony()
    whole.run(fitness, n_iterations=1)
    one = colony()
    reason = one.run(fitness, callback=lambda event: event.settled == event.n_ants)
    assert reason == "callback"
    assert picture(one) == picture(whole)


def test_a_spent_time_budget_leaves_one_evaluation():
    one = colony()
    assert one.run(fitness, time_budget=0.0) == "time_budget"
    assert one.evaluations == 1
    assert one.best_subset is not None


def test_a_cut_evaluation_leaves_its_ant_without_a_score():
    def cut_large(subset):
        if len(subset) > 10:
            raise EvaluationCut
        return fitness(subset)

    events = []
    one = colony()
    assert one.run(cut_large, n_iterations=3, n_jobs=2, callback=events.append) == "iterations"
    cut = [event for event in events if event.score is None]
    assert cut
    assert all(event.size > 10 for event in cut)
    assert one.best_score == max(event.score for event in events if event.score is not None)
    assert events[-1].settled == 8
    assert not all(row["complete"] for row in one.history)


def cut(_):
    raise EvaluationCut


def test_ants_equal_to_a_cut_one_are_settled_with_it():
    one, events = Colony(ETA[:5], n_ants=20, seed=1), []
    one.ask()
    assert len(one.unscored()) < 20
    one.run(cut, n_iterations=1, callback=events.append)
    assert [event.settled for event in events] == sorted({event.settled for event in events})
    assert events[-1].settled == 20


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ({"time_budget": 0.2}, "time_budget"),
        ({"callback": lambda event: event.settled == event.n_ants}, "callback"),
    ],
)
def test_ants_cut_where_a_run_ends_are_scored_by_the_next(end, reason):
    one, calls = colony(), []
    one.ask()
    n_calls = len(one.unscored())

    def cut_last(subset):
        calls.append(subset)
        if len(calls) < n_calls:
            return fitness(subset)
        time.sleep(0.3)
        raise EvaluationCut

    assert one.run(cut_last, **end) == reason
    assert one.iteration == 0
    assert one.run(fitness) == "iterations"
    assert picture(one) == picture(by_hand(colony(), 3))


def test_a_budget_closes_no_iteration_with_holes():
    one = colony(n_ants=20)
    limit, calls = 5, []

    # Its own clock is ahead of the run's, which has an hour left.
    def fitness_with_a_deadline(subset):
        calls.append(subset)
        if len(calls) > limit:
            raise EvaluationCut
        return fitness(subset)

    reason = one.run(fitness_with_a_deadline, n_iterations=50, n_jobs=2, time_budget=3600)
    assert reason == "time_budget"
    assert one.iteration == 0
    # The first cut ends it, and with two threads one more evaluation is under way.
    assert len(calls) <= limit + 2
    assert [row["complete"] for row in one.history] == [False]
    assert one.run(fitness, n_iterations=3) == "iterations"
    assert picture(one) == picture(by_hand(colony(n_ants=20), 3))


def recurse(depth):
    """Go deep in C as well as in Python."""
    return 0 if depth == 0 else max(map(recurse, [depth - 1]))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_fitness_may_recurse_as_deeply_as_in_the_main_thread(n_jobs):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fer_fast import Colony
from test_colony_run import recurse
sys.setrecursionlimit(100_000)

def is_borne(depth):
    try:
        return recurse(depth) == 0
    except RecursionError:
        return False

# From 3.12 on, Python bounds the depth in C by itself, each release at another.
depth = next(depth for depth in (5_000, 2_500, 1_000, 400) if is_borne(depth))
colony = Colony([1.0] * 4, n_ants=2)
print(colony.run(lambda _: float(recurse(depth - 20)), n_iterations=1, n_jobs={n_jobs}))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "iterations\n"), ended.stderr


def test_one_job_is_the_callers_thread_and_more_know_the_callers_context():
    threads, colours, colour = set(), [], ContextVar("colour")

    def look(_):
        threads.add(threading.current_thread())
        colours.append(colour.get())
        colour.set("blue")
        with pytest.raises(FloatingPointError):
            np.float64(1) / np.float64(0)
        return 1.0

    with np.errstate(divide="raise"):
        colour.set("red")
        colony().run(look, n_iterations=1, n_jobs=1)
        assert threads == {threading.current_thread()}
        assert set(colours[1:]) == {"blue"}
        colour.set("red")
        threads.clear()
        colours.clear()
        colony().run(look, n_iterations=1, n_jobs=3)
    assert threading.current_thread() not in threads
    assert set(colours) == {"red"} == {colour.get()}


@pytest.mark.parametrize("parameters", [{}, {"deposit": "credit"}])
def test_recording_ants_in_any_order_and_closing_is_telling(parameters):
    one = colony(**parameters)
    for _ in range(5):
        subsets = one.ask()
        for ant in reversed(one.unscored()):
            one.record(ant, fitness(subsets[ant]), credit(subsets[ant]))
        assert one.unscored() == []
        one.close()
    assert picture(one) == picture(by_hand(colony(**parameters), 5))


def test_a_recorded_ant_keeps_its_score_and_gives_it_to_its_equals():
    one = Colony(ETA[:5], n_ants=20, seed=1)
    subsets = [tuple(subset) for subset in one.ask()]
    ant = one.unscored()[0]
    one.record(ant, 0.5)
    one.record(ant, 0.75)
    assert one.best_score == 0.5
    assert one.history[0]["evaluations"] == 1
    assert one.history[0]["cache_hits"] == subsets.count(subsets[ant]) - 1 > 0


def test_fitness_and_callback_may_read_the_colony_but_not_change_it():
    one = colony()
    refusals, states = [], []

    def meddle(*_):
        for change in (
            one.ask,
            one.close,
            lambda: one.record(0, 1.0),
            lambda: one.tell([]),
            lambda: one.run(fitness),
        ):
            with pytest.raises(RuntimeError, match="is running") as caught:
                change()
            refusals.append(caught)
        states.append(one.to_json())
        assert one.pheromone.shape == (60,)
        assert repr(one).startswith("Colony(n_features=60")

    def meddling_fitness(subset):
        meddle()
        return fitness(subset)

    one.run(meddling_fitness, n_iterations=2, n_jobs=2, callback=meddle)
    assert refusals
    assert picture(one) == picture(by_hand(colony(), 2))
    # A state saved by a callback, halfway through an iteration, is a checkpoint.
    restored = Colony.from_json(states[5])
    restored.run(fitness, n_iterations=2 - restored.iteration)
    assert picture(restored) == picture(one)


def test_threads_and_numpy_and_sklearn_inside_do_not_lock_up():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 60)), np.arange(40) % 2

    def fit(subset):
        return LogisticRegression().fit(X[:, subset], y).score(X[:, subset], y)

    def in_threads(_):
        threads = [threading.Thread(target=fit, args=([i],)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def fitness(subset):
        in_threads(None)
        return fit(subset)

    assert colony().run(fitness, n_iterations=2, n_jobs=3, callback=in_threads) == "iterations"


def test_calls_out_of_turn_and_wrong_scores_are_refused_and_change_nothing():
    one = colony()
    with pytest.raises(RuntimeError, match="call ask first"):
        one.tell([1.0] * 8)
    for call in (one.unscored, one.close, lambda: one.record(0, 1.0)):
        with pytest.raises(RuntimeError, match="call ask first"):
            call()
    one.ask()
    before = one.to_json()
    with pytest.raises(ParameterError, match="7 scores for 8 ants"):
        one.tell([1.0] * 7)
    with pytest.raises(ParameterError, match="score of ant 3 in iteration 0 is NaN"):
        one.tell([1.0, None, 1.0, float("nan"), 1.0, 1.0, 1.0, 1.0])
    with pytest.raises(ParameterError, match="7 credits for 8 scores"):
        one.tell([1.0] * 8, [None] * 7)
    with pytest.raises(ParameterError, match="no ant 8: the iteration has 8"):
        one.record(8, 1.0)
    with pytest.raises(ParameterError, match="ant is -1"):
        one.record(-1, 1.0)
    with pytest.raises(ParameterError, match="score of ant 2 in iteration 0 is inf"):
        one.record(2, float("inf"))
    with pytest.raises(TypeError):
        one.tell(["1.0"] * 8)
    for arguments in ({"n_jobs": 0}, {"time_budget": -1.0}, {"interrupt_grace": float("nan")}):
        with pytest.raises(ParameterError, match=next(iter(arguments))):
            one.run(fitness, **arguments)
    for arguments in ({"fitness": 3}, {"fitness": fitness, "callback": 3}):
        with pytest.raises(TypeError, match="must be callable"):
            one.run(**arguments)
    assert one.to_json() == before
