"""`Colony` as its users meet it: ask and tell, run, interruption, errors, saving."""

from __future__ import annotations

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fer_fast import Colony, EvaluationCut
from fer_fast.errors import ParameterError

ETA = np.random.default_rng(0).random(60)


def fitness(subset):
    return float(ETA[subset].mean() - 0.002 * len(subset))


def colony(**parameters):
    return Colony(ETA, **{"n_ants": 8, "q0": 0.5, "seed": 4, **parameters})


def picture(colony):
    """Everything that a colony lets its user see."""
    best = colony.best_subset
    return {
        "best": None if best is None else best.tolist(),
        "score": colony.best_score,
        "fitness": colony.best_fitness,
        "pheromone": colony.pheromone.tolist(),
        "sizes": colony.size_pheromone,
        "history": colony.history,
    }


def by_hand(colony, n_iterations):
    for _ in range(n_iterations):
        subsets = colony.ask()
        ants = colony.unscored()
        colony.tell([fitness(subset) if i in ants else None for i, subset in enumerate(subsets)])
    return colony


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


def test_fitness_and_callback_may_read_the_colony_but_not_change_it():
    one = colony()
    refusals, states = [], []

    def meddle(*_):
        for change in (one.ask, lambda: one.tell([]), lambda: one.run(fitness)):
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


@pytest.mark.parametrize(
    "copied",
    [
        lambda one: Colony.from_json(one.to_json()),
        lambda one: pickle.loads(pickle.dumps(one)),
        copy.deepcopy,
    ],
)
def test_a_restored_colony_continues_exactly(copied):
    # Halfway through an iteration, after the local updates.
    one = by_hand(colony(), 2)
    one.ask()
    other = copied(one)
    assert picture(other) == picture(one)
    assert picture(by_hand(other, 4)) == picture(by_hand(one, 4))
    assert other.to_json() == one.to_json() == copied(one).to_json()


def broken_states():
    good = by_hand(colony(), 1)
    good.ask()
    text = good.to_json()

    def changed(change):
        state = json.loads(text)
        change(state["colony"])
        return json.dumps(state)

    yield "no json at all"
    yield "{}"
    yield text.replace('"version":1', '"version":99', 1)
    yield text[: len(text) // 2]
    yield changed(lambda c: c.pop("pheromone"))
    yield changed(lambda c: c["pheromone"].append(1.0))
    yield changed(lambda c: c["pheromone"].__setitem__(0, 3.0))
    yield changed(lambda c: c["desirability"].pop())
    yield changed(lambda c: c["open"]["subsets"].pop())
    yield changed(lambda c: c["open"]["subsets"].__setitem__(0, "f" * 16))
    yield changed(lambda c: c["open"]["subsets"].__setitem__(0, "é" * 16))
    yield changed(lambda c: c["best"].update(size=61))
    yield changed(lambda c: c["parameters"].update(n_ants=0))
    yield changed(lambda c: c["parameters"].update(unheard_of=0))


@pytest.mark.parametrize("text", list(broken_states()))
def test_a_broken_state_is_refused(text):
    with pytest.raises(ParameterError, match=r"cannot be restored|it must lie"):
        Colony.from_json(text)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"n_ants": 0}, "n_ants is 0"),
        ({"n_ants": -1}, "n_ants is -1"),
        ({"n_ants": 2**32 - 1}, "n_ants is 4294967295: it must lie between 1 and 1048576"),
        ({"alpha": -0.1}, "alpha is -0.1"),
        ({"beta": float("inf")}, "beta is inf"),
        ({"q0": 1.5}, "q0 is 1.5"),
        ({"q0": float("nan")}, "q0 is NaN"),
        ({"rho": 2}, "rho is 2"),
        ({"xi": -1}, "xi is -1"),
        ({"tau_min": 0.0}, "tau_min is 0"),
        ({"phi": 1.1}, "phi is 1.1"),
        ({"min_features": 0}, "min_features is 0"),
        ({"min_features": 9, "max_features": 8}, "min_features is 9: .* between 1 and 8"),
        ({"max_features": 61}, "max_features is 61"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
    ],
)
def test_a_parameter_out_of_range_is_named(parameters, says):
    with pytest.raises(ParameterError, match=says):
        Colony(ETA, **parameters)


@pytest.mark.parametrize(
    ("eta", "says"),
    [
        ([], "n_features is 0"),
        ([0.0, 0.0], "0 for every feature"),
        ([1.0, float("nan")], r"desirability\[1\] is NaN"),
        ([1.0, -2.0], r"desirability\[1\] is -2"),
        ([float("inf")], r"desirability\[0\] is inf"),
    ],
)
def test_an_unusable_desirability_is_named(eta, says):
    with pytest.raises(ParameterError, match=says):
        Colony(eta)


def test_a_desirability_of_another_shape_is_refused():
    with pytest.raises(TypeError, match="one-dimensional"):
        Colony(np.ones((2, 3)))


def test_a_desirability_may_be_a_field_of_packed_records():
    records = np.zeros(60, dtype=[("name", "S3"), ("eta", np.float64)])
    records["eta"] = ETA
    packed = Colony(records["eta"], n_ants=8, q0=0.5, seed=4)
    assert picture(by_hand(packed, 2)) == picture(by_hand(colony(), 2))


def test_calls_out_of_turn_and_wrong_scores_are_refused_and_change_nothing():
    one = colony()
    with pytest.raises(RuntimeError, match="call ask first"):
        one.tell([1.0] * 8)
    with pytest.raises(RuntimeError, match="call ask first"):
        one.unscored()
    one.ask()
    before = one.to_json()
    with pytest.raises(ParameterError, match="7 scores for 8 ants"):
        one.tell([1.0] * 7)
    with pytest.raises(ParameterError, match="score of ant 3 in iteration 0 is NaN"):
        one.tell([1.0, None, 1.0, float("nan"), 1.0, 1.0, 1.0, 1.0])
    with pytest.raises(TypeError):
        one.tell(["1.0"] * 8)
    for arguments in ({"n_jobs": 0}, {"time_budget": -1.0}, {"interrupt_grace": float("nan")}):
        with pytest.raises(ParameterError, match=next(iter(arguments))):
            one.run(fitness, **arguments)
    for arguments in ({"fitness": 3}, {"fitness": fitness, "callback": 3}):
        with pytest.raises(TypeError, match="must be callable"):
            one.run(**arguments)
    assert one.to_json() == before


def interrupted(script, signals=1):
    """Run a script that prints "ready" while evaluations are under way, and interrupt it there."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(signals):
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


# One write, because the lines of two threads that print would mingle.
PREAMBLE = """
import os, threading, time
from fer_fast import Colony

def ready():
    os.write(1, b"ready\\n")

colony = Colony([1.0 + i for i in range(500)], n_ants=20, seed=1)
"""


def test_ctrl_c_keeps_what_was_scored_and_a_second_run_completes_it():
    code, out, err = interrupted(
        PREAMBLE
        + """
def fitness(subset):
    if colony.evaluations == 4:
        ready()
        time.sleep(0.5)
    return float(len(subset) % 13)
print(colony.run(fitness, n_iterations=2), colony.evaluations, colony.best_score is not None)
colony.run(lambda s: float(len(s) % 13), n_iterations=2)
whole = Colony([1.0 + i for i in range(500)], n_ants=20, seed=1)
whole.run(lambda s: float(len(s) % 13), n_iterations=2)
print(colony.to_json() == whole.to_json() or (colony.pheromone == whole.pheromone).all())
"""
    )
    # The evaluation under way counts, and no other one starts.
    assert (code, out.split()) == (0, ["interrupted", "5", "True", "True"]), err


def test_ctrl_c_leaves_evaluations_behind_after_its_grace():
    code, out, err = interrupted(
        PREAMBLE
        + """
def fitness(subset):
    if colony.evaluations < 3:
        return 1.0
    ready()
    time.sleep(3600)
reason = colony.run(fitness, interrupt_grace=0.05)
print(reason, colony.evaluations, colony.best_score)
"""
    )
    assert (code, out.split()) == (0, ["interrupted", "3", "1.0"]), err


# A sleeping thread ends with the process; one that computes, Python ends before that.
@pytest.mark.parametrize("goes_on", ["time.sleep(3600)", "pass"])
def test_a_second_ctrl_c_raises_and_leaves_a_process_that_can_exit(goes_on):
    code, out, err = interrupted(
        PREAMBLE
        + f"""
def fitness(subset):
    ready()
    time.sleep(0.3)
    ready()
    while True:
        {goes_on}
try:
    colony.run(fitness)
except KeyboardInterrupt:
    print("raised")
raise SystemExit(3)
""",
        signals=2,
    )
    assert (code, out.split(), err) == (3, ["raised"], "")


@pytest.fixture
def stuck():
    """A fitness whose first three calls begin together; the last of them does not end."""
    together, release = threading.Barrier(3), threading.Event()

    def fitness(_):
        if together.wait() == 2:
            release.wait(60)
        return 1.0

    yield fitness
    release.set()


def test_a_second_ctrl_c_that_the_callback_meets_raises(stuck):
    one = colony()
    with pytest.raises(KeyboardInterrupt):
        one.run(stuck, n_jobs=3, callback=lambda _: signal.raise_signal(signal.SIGINT))
    assert one.evaluations == 2


@pytest.fixture
def signals():
    """Sets a handler of SIGUSR1, and sends the signal after each of some times."""
    senders = []

    def start(handler, *seconds):
        signal.signal(signal.SIGUSR1, handler)
        for delay in seconds:
            senders.append(threading.Timer(delay, os.kill, (os.getpid(), signal.SIGUSR1)))
            senders[-1].start()

    previous = signal.getsignal(signal.SIGUSR1)
    yield start
    for sender in senders:
        sender.join()
    signal.signal(signal.SIGUSR1, previous)


@pytest.mark.parametrize(("seconds", "grace"), [((0.1, 0.3), None), ((0.1,), 0.05)])
def test_the_exception_of_another_signal_ends_a_run_like_ctrl_c(stuck, signals, seconds, grace):
    def handler(*_):
        raise BrokenError

    one = colony()
    signals(handler, *seconds)
    with pytest.raises(BrokenError):
        one.run(stuck, n_jobs=3, interrupt_grace=grace)
    assert one.evaluations == 2


def test_ctrl_c_while_subsets_are_built_starts_no_evaluation(signals):
    one, calls = Colony(np.ones(1_000_000), q0=0.0), []
    signals(signal.default_int_handler, 0.02)
    assert one.run(calls.append) == "interrupted"
    assert not calls
