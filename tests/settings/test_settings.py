"""Settings refuse what no run could use."""

import math

import pytest

from fer_fast.errors import ParameterError
from fer_fast.settings import PRESETS, Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("q0", 1.5),
        ("q0", -0.1),
        ("q0", math.nan),
        ("ants", 0),
        ("rho", 2.0),
        ("iterations", 0),
        ("trees", 0),
        ("fitness_rows", -1),
        ("fitness_depth", 0),
        ("judged_on", "private-test"),
        ("jobs", 0),
        ("seed", -1),
        ("balance", "adasyn"),
        ("device", "tpu"),
        ("time_budget", math.inf),
    ],
)
def test_a_value_outside_its_range_is_named(name, value):
    with pytest.raises(ParameterError, match=f"^{name} is "):
        Settings(**{name: value})


def test_a_refused_number_is_shown_in_full():
    with pytest.raises(ParameterError, match=r"4294967296: .* between 0 and 4294967295$"):
        Settings(seed=2**32)


def test_a_cpu_computes_in_single_precision():
    with pytest.raises(ParameterError, match="device is 'cpu' and precision 'fp16'"):
        Settings(device="cpu", precision="fp16")


def test_the_bounds_of_the_size_must_agree():
    with pytest.raises(ParameterError, match="min_features is 9 and max_features 3"):
        Settings(min_features=9, max_features=3)


@pytest.mark.parametrize(("name", "value"), [("q0", 0.0), ("q0", 1.0), ("rho", 0.0), ("rho", 1.0)])
def test_the_ends_of_a_range_belong_to_it(name, value):
    assert getattr(Settings(**{name: value}), name) == value


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_valid(preset):
    assert Settings(**PRESETS[preset]).as_dict().items() >= PRESETS[preset].items()


def test_a_head_that_mirrors_already_refuses_mirror_images():
    with pytest.raises(ParameterError, match="mirror goes without a head, and head is 'dense'"):
        Settings(mirror=True, head="dense")


@pytest.mark.parametrize(
    "chosen",
    [
        {"judged_on": "out-of-bag", "head": "dense"},
        {"judged_on": "out-of-bag", "fitness": "sklearn"},
        {"deposit": "credit", "fitness": "sklearn"},
        {"sizes": "annealed", "deposit": "best", "fitness": "native"},
        {"sizes": "annealed", "deposit": "auto", "fitness": "sklearn"},
    ],
)
def test_a_judge_is_asked_for_nothing_that_it_cannot_do(chosen):
    said = " and ".join(f"{name} is {value!r}" for name, value in chosen.items())
    with pytest.raises(ParameterError, match=f"^{said}: "):
        Settings(**chosen)


@pytest.mark.parametrize(
    ("chosen", "judges", "deposited"),
    [
        ({}, "out-of-bag", "credit"),
        ({"balance": "none"}, "out-of-bag", "credit"),
        ({"head": "dense"}, "public-test", "credit"),
        ({"fitness": "sklearn"}, "public-test", "best"),
        ({"judged_on": "public-test", "deposit": "best"}, "public-test", "best"),
    ],
)
def test_training_rows_judge_and_credit_is_deposited_where_they_can(chosen, judges, deposited):
    settings = Settings(**chosen)
    assert (settings.judges, settings.deposited) == (judges, deposited)


def test_the_papers_preset_has_the_papers_numbers():
    settings = Settings(**PRESETS["paper"])
    numbers = {"ants": 20, "iterations": 3, "alpha": 1.1, "beta": 1.5, "q0": 0.9, "rho": 0.2}
    for name, value in numbers.items():
        assert getattr(settings, name) == value
    assert (settings.trees, settings.size, settings.balance) == (90, 48, "smote")
    # What the paper leaves open is the package's.
    for name in ("deposit", "desirability", "sizes", "scoring", "judged_on"):
        assert getattr(settings, name) == getattr(Settings(), name)
