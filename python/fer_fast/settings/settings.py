"""Everything that decides a run, in one validated object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from fer_fast.errors import ParameterError
from fer_fast.settings.knob import knobs
from fer_fast.settings.sections import (
    BackboneSettings,
    BalanceSettings,
    ClusterSettings,
    ColonySettings,
    DataSettings,
    DeviceSettings,
    FitnessSettings,
    ForestSettings,
    HeadSettings,
    RunSettings,
    Section,
)

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, kw_only=True)
class Settings(
    RunSettings,
    ClusterSettings,
    ForestSettings,
    FitnessSettings,
    ColonySettings,
    BalanceSettings,
    DeviceSettings,
    HeadSettings,
    BackboneSettings,
    DataSettings,
):
    """The parameters of one run of the pipeline; the defaults are the paper's where it names one.

    Every knob of every section is a keyword and an attribute here. ``docs/settings.md`` lists them
    with their meaning, range and default, as ``python -m fer_fast.settings.reference`` prints them
    and ``fer-fast pipeline --help`` does.

    Examples
    --------
    >>> from fer_fast import Settings
    >>> settings = Settings(ants=8, alpha=2)
    >>> settings.rho
    0.2
    >>> Settings(ants=0)
    Traceback (most recent call last):
        ...
    fer_fast.errors.ParameterError: ants is 0: it must be between 1 and 1048576

    Raises
    ------
    ParameterError
        If a value is outside its range, or two values exclude each other.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mirror and self.head != "none":
            raise ParameterError(
                f"mirror goes without a head, and head is {self.head!r}",
                hint="its features are the mean over the face and its mirror image already, so "
                "choose one of the two",
            )
        for is_wrong, names, hint in self._exclusions():
            if is_wrong:
                said = " and ".join(f"{name} is {getattr(self, name)!r}" for name in names)
                raise ParameterError(said, hint=hint)

    def _exclusions(self) -> tuple[tuple[bool, tuple[str, ...], str], ...]:
        is_native = self.fitness == "native"
        return (
            (
                self.judged_on == "out-of-bag" and self.head != "none",
                ("judged_on", "head"),
                "a head knows the Training rows by heart, so judge on 'public-test'",
            ),
            (
                self.judged_on == "out-of-bag" and not is_native,
                ("judged_on", "fitness"),
                "only the native forest keeps copies of a drawn row from judging, so choose it or "
                "judge on 'public-test'",
            ),
            (
                self.deposit == "credit" and not is_native,
                ("deposit", "fitness"),
                "only the native forest says what a feature earned, so choose it or deposit 'best'",
            ),
            (
                self.sizes == "annealed" and self.deposited == "best",
                ("sizes", "deposit", "fitness"),
                "only credit tells the features of a large subset apart, so let sizes be 'learned'",
            ),
        )

    @property
    def deposited(self) -> Literal["best", "credit"]:
        """What the ants deposit: what was asked for, or else credit where the judge gives it."""
        if self.deposit == "auto":
            return "credit" if self.fitness == "native" else "best"
        return self.deposit

    @property
    def judges(self) -> Literal["out-of-bag", "public-test"]:
        """The rows that score a subset: those asked for, or else Training's where they can."""
        if self.judged_on == "auto":
            can_judge = self.head == "none" and self.fitness == "native"
            return "out-of-bag" if can_judge else "public-test"
        return self.judged_on

    def deciding(self) -> dict[str, Any]:
        """Return, by name and as JSON types, what decides the result but for paths.

        Of what a path names the digest decides; where it lies is nobody's business.
        """
        return {
            one.name: list(value) if isinstance(value, tuple) else value
            for one in knobs(type(self))
            if one.kind is not Path and not one.scheme and not one.per_machine
            for value in (getattr(self, one.name),)
        }

    def section(self, kind: type[S]) -> S:
        """Return one section alone, which is all that a stage is handed."""
        return kind(**{one.name: getattr(self, one.name) for one in knobs(kind)})
