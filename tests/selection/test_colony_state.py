"""Saving a colony, restoring it, and states that are refused."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from small_colony import by_hand, colony, credit, picture

from fer_fast import Colony
from fer_fast.errors import ParameterError


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"deposit": "credit"},
        {"deposit": "credit", "sizes": "annealed", "min_features": 4, "max_features": 4},
    ],
)
@pytest.mark.parametrize(
    "copied",
    [
        lambda one: Colony.from_json(one.to_json()),
        lambda one: pickle.loads(pickle.dumps(one)),
        copy.deepcopy,
    ],
)
def test_a_restored_colony_continues_exactly(copied, parameters):
    # Halfway through an iteration, after the local updates.
    one = by_hand(colony(**parameters), 2)
    subsets = one.ask()
    ant = one.unscored()[0]
    one.record(ant, 0.25, credit(subsets[ant]))
    other = copied(one)
    assert picture(other) == picture(one)
    assert picture(by_hand(other, 4)) == picture(by_hand(one, 4))
    assert other.to_json() == one.to_json() == copied(one).to_json()


def changed(text, change):
    state = json.loads(text)
    change(state["colony"])
    return json.dumps(state)


def closed_and_open(**parameters):
    """Return the state of a colony with an open iteration of which one ant is scored."""
    one = by_hand(colony(**parameters), 1)
    subsets = one.ask()
    ant = one.unscored()[-1]
    one.record(ant, 0.25, credit(subsets[ant]))
    return one.to_json()


def broken_states():
    text = closed_and_open()
    yield "no json at all"
    yield "{}"
    yield text.replace('"version":2', '"version":99', 1)
    yield text[: len(text) // 2]
    yield changed(text, lambda c: c.pop("pheromone"))
    yield changed(text, lambda c: c["pheromone"].append(1.0))
    yield changed(text, lambda c: c["pheromone"].__setitem__(0, 3.0))
    yield changed(text, lambda c: c["desirability"].pop())
    yield changed(text, lambda c: c["desirability"].__setitem__(0, -1.0))
    yield changed(text, lambda c: c["parameters"].update(n_ants=0))
    yield changed(text, lambda c: c["parameters"].update(unheard_of=0))
    yield changed(text, lambda c: c["parameters"].update(deposit="unheard of"))
    # The best subset is one that was scored, of a size that is allowed, and none is fitter.
    yield changed(text, lambda c: c["best"].update(size=61))
    yield changed(text, lambda c: c["best"].update(score=0.9))
    yield changed(text, lambda c: c["best"].update(fitness=0.9))
    yield changed(text, lambda c: c["best"].update(subset="0" * 15 + "f", size=4))
    yield changed(text, lambda c: c["best"].update(iteration=2))
    yield changed(text, lambda c: c["best"].update(ant=8))
    yield changed(text, lambda c: c["cache"].update({"0" * 15 + "f": 100.0}))
    yield changed(text, lambda c: c.update(best=None))
    # The history is numbered and counts what was scored.
    yield changed(text, lambda c: c["history"][0].update(iteration=1))
    yield changed(text, lambda c: c["history"][0].update(evaluations=99))
    yield changed(text, lambda c: c["history"][0].update(complete=False))
    yield changed(text, lambda c: c["history"].append(c["history"][0]))
    # The open iteration has a subset per ant, none of them empty, and the scores that are known.
    yield changed(text, lambda c: c["open"]["subsets"].pop())
    yield changed(text, lambda c: c["open"]["subsets"].__setitem__(0, "0" * 16))
    yield changed(text, lambda c: c["open"]["subsets"].__setitem__(0, "f" * 16))
    yield changed(text, lambda c: c["open"]["subsets"].__setitem__(0, "é" * 16))
    yield changed(text, lambda c: c["open"]["scores"].__setitem__(0, 0.5))
    yield changed(text, lambda c: c["open"].update(evaluations=0))
    # This colony has no use for credit.
    yield changed(text, lambda c: c["open"]["credits"].__setitem__(0, [1.0]))
    yield changed(text, lambda c: c.update(credited=c["open"]["subsets"]))
    text = closed_and_open(deposit="credit")
    yield changed(text, lambda c: c["pheromone"].__setitem__(0, 1e9))
    yield changed(text, lambda c: c["pheromone"].__setitem__(0, 0.0))
    yield changed(text, lambda c: c["credited"].append("0" * 15 + "f"))
    yield changed(text, lambda c: next(filter(None, c["open"]["credits"])).append(1.0))


def test_the_states_that_are_broken_below_were_whole():
    for parameters in ({}, {"deposit": "credit"}):
        text = closed_and_open(**parameters)
        assert Colony.from_json(changed(text, lambda _: None)).to_json() == text


@pytest.mark.parametrize("text", list(broken_states()))
def test_a_broken_state_is_refused(text):
    with pytest.raises(ParameterError, match=r"cannot be restored|it must lie|must be finite"):
        Colony.from_json(text)
