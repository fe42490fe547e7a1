"""The colony's defaults and ranges are Rust's, in the selector and in the settings too."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from fer_fast import AntColonySelector, Colony, ParameterError
from fer_fast.settings import ColonySettings, knobs

RANGES = Colony.parameter_ranges()
NAMES = {"ants": "n_ants"}
"""Settings whose name is another than the colony's."""
SETTINGS = {NAMES.get(one.name, one.name): one for one in knobs(ColonySettings)}
# These two are cut to the features there are, and 0 stands for all of them.
CUT = ("min_features", "max_features")
SHARED = sorted(SETTINGS.keys() & RANGES.keys() - {*CUT})
SELECTORS = sorted(
    inspect.signature(AntColonySelector).parameters.keys() & RANGES.keys() - {"max_features"}
)


def test_the_settings_have_rusts_defaults_and_ranges() -> None:
    defaults = Colony.default_parameters()
    assert len(SHARED) >= 5
    for name in SHARED:
        one = SETTINGS[name]
        assert (one.default, one.low, one.high) == (defaults[name], *RANGES[name])


def test_the_selector_has_rusts_defaults() -> None:
    selector = inspect.signature(AntColonySelector).parameters
    defaults = Colony.default_parameters()
    for name in selector.keys() & defaults.keys():
        assert selector[name].default == defaults[name], name
    run = inspect.signature(Colony.run).parameters
    assert selector["n_iterations"].default == run["n_iterations"].default
    assert SETTINGS["iterations"].default == run["n_iterations"].default


@pytest.mark.parametrize("name", SELECTORS)
def test_the_selector_takes_what_rust_takes_and_no_more(name: str) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), np.arange(30) % 2

    def fit(value: float) -> AntColonySelector:
        small = {"n_ants": 2, "n_iterations": 1, "cv": 2, "random_state": 0}
        return AntColonySelector(GaussianNB(), **small | {name: value}).fit(X, y)

    low, high = RANGES[name]
    # A million ants are allowed, but are no test.
    for value in {"n_ants": [low], "min_features": [low, 4]}.get(name, [low, high]):
        assert fit(value).support_.any()
    for value in (low - 1, high + 1):
        with pytest.raises((ParameterError, ValueError), match=name):
            fit(value)
