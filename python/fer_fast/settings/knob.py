"""What a knob declares of itself, and how a value is held against that.

A knob is a field of a section in `sections`; its option on the command line, its key in a TOML
file, its check and its line in the reference all come from the declaration.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from fer_fast.environment import user_path
from fer_fast.errors import ParameterError

INFINITY = float("inf")


@dataclass(frozen=True)
class Knob:
    """The declaration of one setting.

    Its field's annotation gives the kind and the choices, `knob` the rest.

    Attributes
    ----------
    name : str
        The field's name: an option's with hyphens, a TOML key's as it is.
    kind : type
        ``bool``, ``int``, ``float``, ``str``, ``Path``, or ``tuple`` for a list of names.
    default : object
    help : str
        One phrase for people, without the default.
    metavar : str
        What stands for a value in the option's usage; empty for choices and switches.
    choices : tuple of str
        The values there are; empty where any of the kind within the range will do.
    low, high : float
        Bounds of a number, inclusive.
    scheme : str
        What a string must start with if a path follows, such as ``ferplus=``; empty: it is no path.
    unset : str
        What holds where nothing is chosen, for people, if the default does not say it: what None
        stands for, or a value that depends on the machine.
    per_machine : bool
        Whether it belongs to a machine or to one run's files and changes no result.
    """

    name: str
    kind: type
    default: Any
    help: str
    metavar: str
    choices: tuple[str, ...]
    low: float
    high: float
    scheme: str
    unset: str
    per_machine: bool

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def shown_default(self) -> str:
        """The default for people."""
        if self.unset:
            return self.unset
        if self.kind is bool:
            return "yes" if self.default else "no"
        return " ".join(self.default) if self.kind is tuple else str(self.default)

    @property
    def shown_values(self) -> str:
        """The values there are, for people."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind in (int, float):
            return _bounds(self.low, self.high)
        if self.scheme:
            return f"{self.scheme} and a path"
        return _KIND_NAMES[self.kind]

    def path_of(self, value: str) -> Path | None:
        """Return the path that follows the scheme of a value; None: it has no such."""
        start, path = value[: len(self.scheme)], value[len(self.scheme) :]
        return user_path(path) if start == self.scheme and path else None

    def check(self, value: Any) -> None:
        """Refuse a value that is not of the kind, among the choices or within the range.

        Raises
        ------
        ParameterError
        """
        if value is None and self.default is None:
            return
        wanted = ""
        if not _is_of(self.kind, value):
            wanted = _KIND_NAMES[self.kind]
        elif self.choices and value not in self.choices:
            wanted = f"one of {self.shown_values}"
        # Written so that NaN fails too.
        elif (self.kind in (int, float) and not self.low <= value <= self.high) or (
            self.scheme and self.path_of(value) is None
        ):
            wanted = self.shown_values
        if wanted:
            raise ParameterError(f"{self.name} is {value!r}", hint=f"it must be {wanted}")


def knob(
    default: Any,
    help: str,  # noqa: A002 - as argparse calls it
    *,
    metavar: str = "",
    low: float = -INFINITY,
    high: float = INFINITY,
    scheme: str = "",
    unset: str = "",
    per_machine: bool = False,
) -> Any:
    """Declare a field of a section; `Knob` has the parameters' meaning."""
    declared = {
        "help": help,
        "metavar": metavar,
        "low": low,
        "high": high,
        "scheme": scheme,
        "unset": unset,
        "per_machine": per_machine,
    }
    return field(default=default, metadata=declared)


def knobs(section: type) -> tuple[Knob, ...]:
    """Return a section's knobs in the order of their declaration."""
    kinds = get_type_hints(section)
    return tuple(_knob(one, kinds[one.name]) for one in fields(section))


def _knob(declared: Field[Any], annotation: Any) -> Knob:
    (kind,) = (
        one
        for one in (get_args(annotation) if isinstance(annotation, UnionType) else (annotation,))
        if one is not NoneType
    )
    choices: tuple[str, ...] = ()
    if get_origin(kind) is Literal:
        kind, choices = str, get_args(kind)
    return Knob(
        name=declared.name,
        kind=get_origin(kind) or kind,
        default=declared.default,
        choices=choices,
        **declared.metadata,
    )


_KIND_NAMES: dict[type, str] = {
    Path: "a path",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a name",
    tuple: "a list of names",
}


def _is_of(kind: type, value: Any) -> bool:
    if kind is tuple:
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    # To Python, a bool is an integer too.
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (float, int) if kind is float else kind)


def _bounds(low: float, high: float) -> str:
    if high == INFINITY:
        return f"at least {low:g}" if low > -INFINITY else "any"
    return f"between {low:.12g} and {high:.12g}"
