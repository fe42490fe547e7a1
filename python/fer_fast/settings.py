"""Everything that decides a run, in one validated object."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fer_fast.errors import ParameterError

Device = Literal["auto", "cpu", "cuda"]
Pooling = Literal["none", "2x2", "global"]
Head = Literal["none", "dense"]
Precision = Literal["fp32", "tf32", "fp16"]
"""The arithmetic of a convolution.

fp32 means what it says; the others need CUDA. tf32 rounds the factors of each product to 10 bits of
mantissa; fp16 stores weights and activations in half precision.
"""
Balance = Literal["smote", "none"]
Engine = Literal["native", "sklearn"]
Scoring = Literal["f1_macro", "accuracy"]
Judges = Literal["public-test", "out-of-bag"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "pooling": get_args(Pooling),
    "head": get_args(Head),
    "device": get_args(Device),
    "precision": get_args(Precision),
    "balance": get_args(Balance),
    "fitness": get_args(Engine),
    "scoring": get_args(Scoring),
    "judged_on": get_args(Judges),
}

_RANGES: dict[str, tuple[float, float]] = {
    "head_epochs": (1, 10_000),
    "batch_size": (1, float("inf")),
    "ants": (1, 100_000),
    "iterations": (1, 1_000_000),
    "alpha": (0, 100),
    "beta": (0, 100),
    "q0": (0, 1),
    "rho": (0, 1),
    "min_features": (1, float("inf")),
    "max_features": (0, float("inf")),
    "time_budget": (0, 10**9),
    "fitness_rows": (0, float("inf")),
    "fitness_depth": (1, float("inf")),
    "trees": (1, 100_000),
    "seed": (0, 2**32 - 1),
    "jobs": (1, 4096),
}


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The parameters of one run of the pipeline; the defaults are the paper's where it names one.

    Attributes
    ----------
    data : Path or None
        A FER-2013 csv, zip, folder or npz; None for the synthetic default.
    weights : Path or None
        Keras' ImageNet MobileNetV2 weights; None to look for them.
    size : int
        Height and width of the backbone's input, in pixels.
    taps : tuple of str
        The backbone's layers, by their Keras names, whose activations are its features.
    pooling : {"none", "2x2", "global"}
        How the activations are averaged over the grid.
    equalise : bool
        Whether the backbone sees each face with its histogram equalised.
    head : {"none", "dense"}
        "dense" trains three dense layers on the backbone; their activations are the features.
    head_epochs : int
        Passes over Training, at most, in which the head is trained.
    device : {"auto", "cpu", "cuda"}
    precision : {"fp32", "tf32", "fp16"}
        Arithmetic of the backbone; all but fp32 need CUDA.
    batch_size : int or None
        Faces in one call of the backbone; None for the device's default.
    mirror : bool
        Whether the forests are fitted on the mirror image of each Training face too. A head's
        features are those of the face and its mirror image already.
    balance : {"smote", "none"}
    ants, iterations : int
        Subsets per iteration, and iterations.
    alpha, beta : float
        Exponents of pheromone and desirability in the transition rule.
    q0 : float
        Probability of taking the best feature instead of drawing one, 0 to 1.
    rho : float
        Evaporation of the pheromone per iteration, 0 to 1.
    min_features, max_features : int or None
        Bounds of a subset's size. A `max_features` of None is half of the features, as in
        scikit-learn's selectors; 0 is all of them, so that a search may end by choosing all.
    time_budget : float or None
        Seconds after which the colony starts no further evaluation; None for no limit.
    fitness : {"native", "sklearn"}
        The forest that judges a subset.
    fitness_rows : int
        Stratified training rows in one evaluation; 0 for all.
    fitness_depth : int or None
        Depth bound of the trees that judge a subset; None grows them until their leaves are pure.
        Shallow ones cost less.
    scoring : {"f1_macro", "accuracy"}
        What an evaluation maximises.
    judged_on : {"public-test", "out-of-bag"}
        The rows that score a subset: PublicTest's, or the evaluation's own Training rows, each by
        the trees that did not draw it. These are more, but must then be real and new to the
        features: without SMOTE, mirror images and head.
    trees : int
        Trees in the fitness' forest and in the final one.
    seed : int
        Seed of the head, SMOTE, the colony and the forests.
    jobs : int
        Threads; the result is the same for any number.
    out : Path or None
        Folder for the files of the run; None to write none.
    """

    data: Path | None = None
    weights: Path | None = None
    size: int = 48
    taps: tuple[str, ...] = ("out_relu",)
    pooling: Pooling = "none"
    equalise: bool = False
    head: Head = "none"
    head_epochs: int = 20
    device: Device = "auto"
    precision: Precision = "fp32"
    batch_size: int | None = None
    mirror: bool = False
    balance: Balance = "smote"
    ants: int = 20
    iterations: int = 3
    alpha: float = 1.1
    beta: float = 1.5
    q0: float = 0.9
    rho: float = 0.2
    min_features: int | None = None
    max_features: int | None = None
    time_budget: float | None = None
    fitness: Engine = "native"
    fitness_rows: int = 5000
    fitness_depth: int | None = None
    scoring: Scoring = "f1_macro"
    judged_on: Judges = "public-test"
    trees: int = 90
    seed: int = 0
    jobs: int = available_cpus()
    out: Path | None = None

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for field in fields(self):
            value = getattr(self, field.name)
            _check_kind(field.name, value, kinds[field.name])
            if value is None:
                continue
            choices = _CHOICES.get(field.name)
            if choices and value not in choices:
                raise ParameterError(
                    f"{field.name} is {value!r}: it must be one of {', '.join(choices)}"
                )
            if field.name in _RANGES:
                _check_range(field.name, value)
        if self.min_features and self.max_features and self.min_features > self.max_features:
            raise ParameterError(
                f"min_features is {self.min_features} and max_features {self.max_features}: "
                "the first must not exceed the second"
            )
        if self.device == "cpu" and self.precision != "fp32":
            raise ParameterError(
                f"device is 'cpu' and precision {self.precision!r}: a CPU computes in fp32 only"
            )
        if self.mirror and self.head != "none":
            raise ParameterError(
                f"mirror goes without a head, and head is {self.head!r}: its features are the mean "
                "over the face and its mirror image already, so choose one of the two"
            )
        if self.judged_on == "out-of-bag":
            for name, plain in (("balance", "none"), ("mirror", False), ("head", "none")):
                value = getattr(self, name)
                if value != plain:
                    raise ParameterError(
                        f"judged_on is 'out-of-bag' and {name} is {value!r}: Training rows judge "
                        f"only where {name} is {plain!r}, so choose that or judge on 'public-test'"
                    )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types, paths as strings."""
        return {
            field.name: str(value) if isinstance(value, Path) else value
            for field in fields(self)
            for value in [getattr(self, field.name)]
        }


def _check_kind(name: str, value: Any, kind: Any) -> None:
    """Refuse a value of another type than the field's, as a file of settings may hold."""
    allowed = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    for one in allowed:
        if get_origin(one) is Literal:
            # Which strings they are is checked by `_CHOICES`.
            one = str
        elif one is float:
            one = (float, int)
        elif get_origin(one) is tuple:
            if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
                return
            continue
        # To Python, a bool is an integer too.
        if isinstance(value, one) and isinstance(value, bool) == (one is bool):
            return
    names = " or ".join(_KIND_NAMES[one] for one in allowed if one in _KIND_NAMES)
    raise ParameterError(f"{name} is {value!r}: it must be {names or 'one of its choices'}")


_KIND_NAMES = {
    Path: "a path",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    tuple[str, ...]: "a list of names",
}


def _check_range(name: str, value: float) -> None:
    low, high = _RANGES[name]
    # Written so that NaN fails too.
    if low <= value <= high:
        return
    bounds = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
    raise ParameterError(f"{name} is {value}: it must be {bounds}")


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "size": 48,
        "balance": "smote",
        "ants": 20,
        "iterations": 3,
        "alpha": 1.1,
        "beta": 1.5,
        "q0": 0.9,
        "rho": 0.2,
        "max_features": 0,
        "trees": 90,
        "scoring": "accuracy",
        "fitness_rows": 0,
    },
    "best": {
        "size": 160,
        "taps": ("block_6_expand_relu", "block_13_expand_relu"),
        "pooling": "2x2",
        "head": "dense",
        "head_epochs": 30,
        "balance": "none",
        "iterations": 10,
        "fitness_rows": 0,
        "fitness_depth": 8,
        "scoring": "accuracy",
    },
}
"""Named sets of settings; an option given beside a preset overrides it.

``paper`` is *Optimizing Facial Expression Recognition Features with Pre-trained CNNs* to the
letter, with every training row in each evaluation. ``best`` has the input size, taps and head that
scored best on PublicTest, and judges subsets by trees of 8 levels, which cost less.
"""
