"""An error keeps apart what is wrong and what to do, and says both in one sentence."""

from __future__ import annotations

import copy
import pickle

import pytest

from fer_fast import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.FerFastError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_sentence_is_the_message_and_the_hint(kind: type[errors.FerFastError]) -> None:
    error = kind("ants is 0", hint="choose one at least")
    assert (error.message, error.hint) == ("ants is 0", "choose one at least")
    assert str(error) == "ants is 0: choose one at least"


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_without_a_hint_is_its_message(kind: type[errors.FerFastError]) -> None:
    error = kind("nothing to be done")
    assert (str(error), error.hint) == ("nothing to be done", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_comes_whole_out_of_another_process(kind, travel) -> None:
    error = travel(kind("ants is 0", hint="choose one at least"))
    assert type(error) is kind
    assert str(error) == "ants is 0: choose one at least"


def test_errors_are_caught_as_what_python_calls_them() -> None:
    assert issubclass(errors.ParameterError, ValueError)
    assert issubclass(errors.DataError, ValueError)
    assert issubclass(errors.OutputError, OSError)
