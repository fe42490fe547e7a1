"""The knobs, declared once each, a section for each stage that is handed them.

A section checks what its own knobs say of each other; what two sections say of each other is
checked by `settings.Settings`, which is all of them.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from fer_fast.environment import available_cpus
from fer_fast.errors import ParameterError
from fer_fast.settings.knob import knob, knobs

Pooling = Literal["none", "2x2", "global"]
Head = Literal["none", "dense"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "tf32", "fp16"]
"""The arithmetic of a convolution.

fp32 means what it says; the others need CUDA. tf32 rounds the factors of each product to 10 bits of
mantissa; fp16 stores weights and activations in half precision.
"""
Balance = Literal["smote", "none"]
Engine = Literal["native", "sklearn"]
Scoring = Literal["brier", "accuracy", "f1_macro"]
Judges = Literal["auto", "out-of-bag", "public-test"]
Deposit = Literal["auto", "credit", "best"]
Sizes = Literal["learned", "annealed"]
Credit = Literal["residual", "gain"]
Desirability = Literal["auto", "f_classif", "importances", "oob_gain", "flat"]

POOLINGS: tuple[str, ...] = get_args(Pooling)
DEVICES: tuple[str, ...] = get_args(Device)
PRECISIONS: tuple[str, ...] = get_args(Precision)
ENGINES: tuple[str, ...] = get_args(Engine)
SCORINGS: tuple[str, ...] = get_args(Scoring)

MIN_SIZE, MAX_SIZE = 32, 512
"""Keras builds no MobileNetV2 below 32 pixels; beyond 512 a face of 48 gains nothing."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Settings of one stage, each within its range.

    Attributes
    ----------
    TITLE : str
        The section's name: a group of options, a table of a TOML file.

    Raises
    ------
    ParameterError
        If a value is outside its range, or two values exclude each other.
    """

    TITLE: ClassVar[str]

    def __post_init__(self) -> None:
        for one in knobs(type(self)):
            one.check(getattr(self, one.name))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types, by name, paths as strings."""
        values = asdict(self)
        return {n: str(v) if isinstance(v, Path) else v for n, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class DataSettings(Section):
    """Which faces."""

    TITLE: ClassVar[str] = "data"

    data: Path | None = knob(
        None,
        "fer2013.csv (also .gz, .zip or .tar.gz), icml_face_data.csv, a folder with train/ and "
        "test/, or a .npz",
        metavar="PATH",
        unset="synthetic faces, embedded",
    )
    labels: str | None = knob(
        None,
        "ferplus= and FER+'s fer2013new.csv: train and score on its majority votes",
        metavar="ferplus=CSV",
        scheme="ferplus=",
        unset="the data's own",
    )

    @property
    def ferplus(self) -> Path | None:
        """FER+'s votes, if they are the labels."""
        (declared,) = (one for one in knobs(DataSettings) if one.name == "labels")
        return None if self.labels is None else declared.path_of(self.labels)


@dataclass(frozen=True, kw_only=True)
class BackboneSettings(Section):
    """Which features the frozen backbone computes."""

    TITLE: ClassVar[str] = "backbone"

    weights: Path | None = knob(
        None,
        "Keras' ImageNet MobileNetV2 weights without top, .h5",
        metavar="PATH",
        unset="cache, then download",
    )
    size: int = knob(
        48, "input height and width in pixels", metavar="PX", low=MIN_SIZE, high=MAX_SIZE
    )
    taps: tuple[str, ...] = knob(
        ("out_relu",),
        "Keras' names of the layers whose activations are the features, such as "
        "block_13_expand_relu",
        metavar="LAYER",
    )
    pooling: Pooling = knob("none", "how activations are averaged over the grid")
    equalise: bool = knob(False, "equalise each face's histogram first")


@dataclass(frozen=True, kw_only=True)
class HeadSettings(Section):
    """Whether dense layers are trained on the backbone."""

    TITLE: ClassVar[str] = "head"

    head: Head = knob(
        "none", "dense: train three dense layers on Training and take their activations"
    )
    head_epochs: int = knob(20, "passes over Training", metavar="N", low=1, high=10_000)
    head_members: int = knob(
        1,
        "heads trained one after the other, whose activations stand side by side",
        metavar="N",
        low=1,
        high=100,
    )


@dataclass(frozen=True, kw_only=True)
class DeviceSettings(Section):
    """What computes the features."""

    TITLE: ClassVar[str] = "device"

    device: Device = knob(
        "auto", "auto takes CUDA where it can be used; cuda fails where it cannot"
    )
    precision: Precision = knob("fp32", "arithmetic of the backbone; tf32 and fp16 need CUDA")
    batch_size: int | None = knob(
        None, "faces in one call", metavar="N", low=1, unset="the device's"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device == "cpu" and self.precision != "fp32":
            raise ParameterError(
                f"device is 'cpu' and precision {self.precision!r}",
                hint="a CPU computes in fp32 only",
            )


@dataclass(frozen=True, kw_only=True)
class BalanceSettings(Section):
    """Which rows the forests are fitted on."""

    TITLE: ClassVar[str] = "balance"

    mirror: bool = knob(False, "fit on the mirror image of each Training face too; not with a head")
    balance: Balance = knob("smote", "how the training classes are balanced")


@dataclass(frozen=True, kw_only=True)
class ColonySettings(Section):
    """How the ants search."""

    TITLE: ClassVar[str] = "colony"

    ants: int = knob(20, "subsets per iteration", metavar="N", low=1, high=2**20)
    iterations: int = knob(3, "iterations of the colony", metavar="N", low=1, high=1_000_000)
    alpha: float = knob(1.1, "exponent of the pheromone", metavar="A", low=0, high=1e6)
    beta: float = knob(1.5, "exponent of the desirability", metavar="B", low=0, high=1e6)
    q0: float = knob(
        0.9,
        "probability of taking the best feature instead of drawing one",
        metavar="Q",
        low=0,
        high=1,
    )
    rho: float = knob(0.2, "evaporation of the pheromone per iteration", metavar="R", low=0, high=1)
    desirability: Desirability = knob(
        "auto",
        "how useful each feature looks by itself: ANOVA's F, what one forest on all of them makes "
        "of it in bag or out of bag, or the same for all; where credit is deposited it is the "
        "first trail, which ants may unlearn; auto: flat with credit, else f_classif",
    )
    deposit: Deposit = knob(
        "auto",
        "what marks a feature: its credit in each ant's forest, or being in the best subset so "
        "far; auto: credit, with --fitness sklearn best",
    )
    sizes: Sizes = knob(
        "learned",
        "annealed begins with all features, half of them and so on down to the largest subset",
    )
    min_features: int | None = knob(None, "smallest subset", metavar="N", low=1, unset="1")
    max_features: int | None = knob(
        None,
        "largest subset, 0 for all features",
        metavar="N",
        low=0,
        unset="half of the features",
    )
    time_budget: float | None = knob(
        None,
        "seconds after which no further evaluation starts",
        metavar="S",
        low=0,
        high=10**9,
        unset="no limit",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_features and self.max_features and self.min_features > self.max_features:
            raise ParameterError(
                f"min_features is {self.min_features} and max_features {self.max_features}",
                hint="the first must not exceed the second",
            )


@dataclass(frozen=True, kw_only=True)
class FitnessSettings(Section):
    """How a subset is judged."""

    TITLE: ClassVar[str] = "fitness"

    fitness: Engine = knob("native", "the forest that judges a subset")
    fitness_rows: int = knob(
        5000, "stratified training rows in one evaluation, 0 for all", metavar="N", low=0
    )
    fitness_depth: int | None = knob(
        None,
        "depth bound of the trees that judge a subset",
        metavar="N",
        low=1,
        unset="no limit",
    )
    scoring: Scoring = knob(
        "brier", "what an evaluation maximises; brier is 1 minus the Brier score"
    )
    credit: Credit = knob(
        "residual",
        "what a feature earns credit by: what the ants before have left unexplained, or all that "
        "there is to explain",
    )
    judged_on: Judges = knob(
        "auto",
        "the rows that score a subset: real Training rows by the trees that drew no copy of them, "
        "or PublicTest's but for copies of Training rows; auto: out-of-bag, with a head or "
        "--fitness sklearn public-test",
    )


@dataclass(frozen=True, kw_only=True)
class ForestSettings(Section):
    """The final forest and the baselines', and how large any forest is."""

    TITLE: ClassVar[str] = "forest"

    forest: Engine = knob("native", "the forest that is fitted in the end, and the baselines'")
    trees: int = knob(
        90,
        "trees in the fitness' forest and in the final one",
        metavar="N",
        low=1,
        high=100_000,
    )


@dataclass(frozen=True, kw_only=True)
class MachineSettings(Section):
    """What a command may take of the machine."""

    TITLE: ClassVar[str] = "machine"

    jobs: int = knob(
        available_cpus(),
        "threads; the result does not depend on it",
        metavar="N",
        low=1,
        high=4096,
        unset="one for each CPU of this process",
        per_machine=True,
    )


@dataclass(frozen=True, kw_only=True)
class ClusterSettings(Section):
    """Which other machines compute features and judge subsets; the result depends on none."""

    TITLE: ClassVar[str] = "cluster"

    dask: str | None = knob(
        None,
        "a Dask scheduler, as tcp://HOST:PORT, or local:N for N processes of this machine; needs "
        "the extra dask",
        metavar="ADDRESS",
        unset="this machine's threads",
        per_machine=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dask is not None and not re.fullmatch(r"local:0*[1-9]\d{0,4}|\w+://.+", self.dask):
            raise ParameterError(
                f"dask is {self.dask!r}",
                hint="give a scheduler's address, as tcp://10.0.0.1:8786, or local:4",
            )


@dataclass(frozen=True, kw_only=True)
class RunSettings(MachineSettings):
    """What a whole run shares."""

    TITLE: ClassVar[str] = "run"

    seed: int = knob(
        0,
        "seed of the head, SMOTE, the colony and the forests",
        metavar="N",
        low=0,
        high=2**32 - 1,
    )
    out: Path | None = knob(
        None,
        "folder for the run's files",
        metavar="DIR",
        unset="print only",
        per_machine=True,
    )


SECTIONS: tuple[type[Section], ...] = (
    DataSettings,
    BackboneSettings,
    HeadSettings,
    DeviceSettings,
    BalanceSettings,
    ColonySettings,
    FitnessSettings,
    ForestSettings,
    ClusterSettings,
    RunSettings,
)
"""In the order in which a run needs them."""
