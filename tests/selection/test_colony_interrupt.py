"""Ctrl-C and other signals while a colony runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from small_colony import colony

from fer_fast import Colony


class BrokenError(Exception):
    pass


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


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_keeps_what_was_scored_and_a_second_run_completes_it(n_jobs):
    code, out, err = interrupted(
        PREAMBLE
        + f"""
begun = []
def fitness(subset):
    begun.append(subset)
    if len(begun) == 4 + {n_jobs}:
        ready()
    if len(begun) > 4:
        time.sleep(0.5)
    return float(len(subset) % 13)
reason = colony.run(fitness, n_iterations=2, n_jobs={n_jobs})
print(reason, colony.evaluations, colony.best_score is not None)
colony.run(lambda s: float(len(s) % 13), n_iterations=2)
whole = Colony([1.0 + i for i in range(500)], n_ants=20, seed=1)
whole.run(lambda s: float(len(s) % 13), n_iterations=2)
print(colony.to_json() == whole.to_json())
"""
    )
    reason, evaluations, *others = out.split()
    assert (code, reason, others) == (0, "interrupted", ["True", "True"]), err
    if n_jobs == 1:
        # In the caller's thread the interrupted evaluation is lost.
        assert evaluations == "4"
    else:
        # Other threads end theirs; on a loaded machine the signal may be late for some.
        assert 6 <= int(evaluations) < 20


def test_ctrl_c_leaves_evaluations_behind_after_its_grace():
    code, out, err = interrupted(
        PREAMBLE
        + """
begun, lock = [], threading.Lock()
def fitness(subset):
    with lock:
        begun.append(subset)
        is_last = len(begun) == 5
    if len(begun) < 4:
        return 1.0
    if is_last:
        ready()
    time.sleep(3600)
reason = colony.run(fitness, n_jobs=2, interrupt_grace=0.05)
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
colony = Colony(range(1, 501), n_ants=1)
def fitness(subset):
    ready()
    # The first signal must be met before the second comes.
    time.sleep(1)
    ready()
    while True:
        {goes_on}
try:
    colony.run(fitness, n_jobs=2)
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
            fitness.then()
            release.wait(60)
        return 1.0

    # What is to happen once it is stuck.
    fitness.then = lambda: None
    yield fitness
    release.set()


def test_a_second_ctrl_c_that_the_callback_meets_raises(stuck):
    one = colony()
    with pytest.raises(KeyboardInterrupt):
        one.run(stuck, n_jobs=3, callback=lambda _: signal.raise_signal(signal.SIGINT))
    assert one.evaluations == 2


@pytest.fixture
def signals():
    """Sets a handler of SIGUSR1, and sends the signal after each of some times, once told to."""
    senders = []

    def prepare(handler, *seconds):
        signal.signal(signal.SIGUSR1, handler)

        def start():
            for delay in seconds:
                senders.append(threading.Timer(delay, os.kill, (os.getpid(), signal.SIGUSR1)))
                senders[-1].start()

        return start

    previous = signal.getsignal(signal.SIGUSR1)
    yield prepare
    for sender in senders:
        sender.join()
    signal.signal(signal.SIGUSR1, previous)


@pytest.mark.parametrize(("seconds", "grace"), [((0.1, 0.3), None), ((0.1,), 0.05)])
def test_the_exception_of_another_signal_ends_a_run_like_ctrl_c(stuck, signals, seconds, grace):
    def handler(*_):
        raise BrokenError

    one = colony()
    stuck.then = signals(handler, *seconds)
    with pytest.raises(BrokenError):
        one.run(stuck, n_jobs=3, interrupt_grace=grace)
    assert one.evaluations == 2


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_ends_a_run_wherever_it_is_raised(n_jobs, kind):
    def at_the_fourth(result):
        raised = []

        def call(_):
            if one.evaluations >= 4 and not raised:
                raised.append(kind)
                raise kind
            return result

        return call

    for parts in ({"fitness": at_the_fourth(1.0)}, {"callback": at_the_fourth(False)}):
        one = colony()
        arguments = {"fitness": lambda _: 1.0, "n_jobs": n_jobs, "n_iterations": 9, **parts}
        if kind is KeyboardInterrupt:
            assert one.run(**arguments) == "interrupted"
        else:
            with pytest.raises(SystemExit):
                one.run(**arguments)
        # Evaluations that were under way beside it count.
        assert 4 <= one.evaluations <= 4 + n_jobs
        assert one.best_score == 1.0


def test_ctrl_c_while_subsets_are_built_starts_no_evaluation(signals):
    one, calls = Colony(np.ones(1_000_000), q0=0.0), []
    signals(signal.default_int_handler, 0.02)()
    assert one.run(calls.append) == "interrupted"
    assert not calls
