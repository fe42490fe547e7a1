"""A run as its folder tells of it, for whoever reads runs: the report, the list, a comparison."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.runs.predictions import TestPredictions, load_predictions
from fer_fast.settings import PATH_ERRORS, Settings, read_config

ID_COMMENT = "# fer-fast run "
"""What comes before the run's name at the head of its ``config.toml``."""

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_MOST_BYTES = 1 << 28
"""Of a JSON document; one of all features of the largest backbone takes a few million."""


@dataclass(frozen=True)
class RunRecord:
    """What a run's folder holds.

    Attributes
    ----------
    path : Path
    metrics : dict
        The document of ``metrics.json``.
    """

    path: Path
    metrics: dict[str, Any]

    @property
    def run_id(self) -> str:
        """The run's name."""
        return str(self.metrics["run_id"])

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings by name."""
        found: dict[str, Any] = self.metrics["parameters"]
        return found

    @property
    def settings(self) -> Settings:
        """What decided the run, paths included.

        Raises
        ------
        ParameterError
            If its ``config.toml`` cannot be read.
        """
        return Settings(**read_config(self.path / "config.toml"))

    @property
    def subset(self) -> NDArray[np.int64]:
        """The chosen features, ascending."""
        return np.array(self.metrics["features"]["indices"], np.int64)

    @cached_property
    def predictions(self) -> TestPredictions:
        """What the final forests say of each test face."""
        return load_predictions(self.path / "predictions.npz")


def read_record(path: Path) -> RunRecord:
    """Read a run's folder.

    Raises
    ------
    DataError
        If it holds no run that has ended, or one of an earlier release.
    """
    metrics = read_json(path / "metrics.json")
    # What the oldest that can be read has, and a reader needs.
    needed = ("run_id", "version", "test", "features", "colony", "data", "parameters", "baselines")
    missing = [name for name in needed if name not in metrics]
    if missing:
        raise DataError(
            f"{path / 'metrics.json'} has no {missing[0]!r}",
            hint="it is of another release or of another program, so repeat the run",
        )
    return RunRecord(path, metrics)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of bounded size.

    Raises
    ------
    DataError
        If the file cannot be read, or is none.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise ValueError("it is too large")
        document = json.loads(text, parse_float=_finite, parse_constant=_finite)
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError as error:
        raise DataError(
            f"{path.parent} holds no run that has ended: there is no {path.name}",
            hint="name the folder that a run was given by --out, or resume that run",
        ) from error
    except OSError as error:
        raise DataError(
            f"cannot read {path} ({error.strerror})", hint="make it readable"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path} ({error})", hint="repeat the run") from error
    return document


def _finite(text: str) -> float:
    """Return a number; Python's JSON knows some that are none."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"it holds {text}, which is no number")
    return value


def is_run_id(text: str) -> bool:
    """Tell whether a text is a run's name."""
    return _ID.fullmatch(text) is not None


def run_id_of(config: Path) -> str | None:
    """Return the run that a ``config.toml`` names in its first line; None: it names none.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with config.open(encoding="utf-8", errors=PATH_ERRORS) as file:
        first = file.readline(200)
    run_id = first.removeprefix(ID_COMMENT).strip()
    return run_id if first.startswith(ID_COMMENT) and is_run_id(run_id) else None


def find_runs(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder and below it, three levels deep, by name."""
    found = []
    for pattern in ("", "*/", "*/*/", "*/*/*/"):
        for config in folder.glob(f"{pattern}config.toml"):
            with suppress(OSError):
                if run_id_of(config) is not None:
                    found.append(config.parent)
    return sorted(found)
