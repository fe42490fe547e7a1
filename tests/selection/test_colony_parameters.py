"""What a colony may be made of, and that its defaults and ranges have one home."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
from small_colony import ETA, by_hand, colony, picture

import fer_fast._core
from fer_fast import Colony
from fer_fast.errors import ParameterError
from fer_fast.selection.reference import ReferenceColony


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
        ({"tau_min": 0.0}, "tau_min is 0: it must lie between 0.000000000001 and 1"),
        ({"phi": 1.1}, "phi is 1.1"),
        ({"min_features": 0}, "min_features is 0"),
        ({"min_features": 9, "max_features": 8}, "min_features is 9: .* between 1 and 8"),
        ({"max_features": 61}, "max_features is 61"),
        ({"deposit": "classic"}, 'deposit is "classic": it must be "best" or "credit"'),
        ({"sizes": "x"}, 'sizes is "x": it must be "learned" or "annealed"'),
        ({"sizes": "annealed"}, "sizes is annealed: only the deposit credit"),
        ({"tau0": [1.0]}, "tau0 has 1 values for 60 features"),
        ({"tau0": [0.0] * 60}, "tau0 is 0 for every feature"),
        ({"tau0": [1.0] * 59 + [-1.0]}, r"tau0\[59\] is -1"),
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


def keyword_defaults(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def stub_defaults(method):
    """Return the keyword defaults that the extension's stub declares for a method of `Colony`."""
    tree = ast.parse(Path(fer_fast._core.__file__).with_name("_core.pyi").read_text())
    (stub,) = [node for node in tree.body if getattr(node, "name", "") == "Colony"]
    (found,) = [node for node in stub.body if getattr(node, "name", "") == method]
    names = [argument.arg for argument in found.args.kwonlyargs]
    return dict(zip(names, map(ast.literal_eval, found.args.kw_defaults), strict=True))


def test_the_defaults_are_those_of_rust_wherever_they_are_written():
    defaults = keyword_defaults(Colony)
    assert defaults == stub_defaults("__new__") == keyword_defaults(ReferenceColony)
    assert keyword_defaults(Colony.run) == stub_defaults("run")
    rust = Colony.default_parameters()
    # None stands for a default that depends on the deposit, and for no trail to begin with.
    assert {**rust, "xi": None, "tau_min": None, "tau0": None} == defaults


@pytest.mark.parametrize("deposit", ["best", "credit"])
def test_a_colony_without_parameters_has_the_defaults_of_its_deposit(deposit):
    rust = Colony.default_parameters(deposit)
    assert Colony(ETA, deposit=deposit).parameters == rust
    reference = ReferenceColony(ETA, deposit=deposit)
    assert (reference.xi, reference.tau_min) == (rust["xi"], rust["tau_min"])


def test_the_ranges_are_those_that_rust_checks():
    ranges = Colony.parameter_ranges()
    assert set(ranges) < set(Colony.default_parameters())
    numbers = {name: value for name, value in Colony.default_parameters().items() if value}
    for name, (low, high) in ranges.items():
        if name in numbers:
            assert low <= numbers[name] <= high
        # Of sizes the number of features is a bound as well.
        inside = [low, 60 if name in ("min_features", "max_features") else high]
        for value in inside:
            assert Colony(ETA, **{name: value}).parameters[name] == value
        step = 1 if isinstance(low, int) else 1e-15
        for value in (low - step, high + 1):
            with pytest.raises(ParameterError, match=f"{name} is "):
                Colony(ETA, **{name: value})


def test_a_desirability_of_another_shape_is_refused():
    with pytest.raises(TypeError, match="one-dimensional"):
        Colony(np.ones((2, 3)))


def test_a_desirability_may_be_a_field_of_packed_records():
    records = np.zeros(60, dtype=[("name", "S3"), ("eta", np.float64)])
    records["eta"] = ETA
    packed = Colony(records["eta"], n_ants=8, q0=0.5, seed=4)
    assert picture(by_hand(packed, 2)) == picture(by_hand(colony(), 2))
