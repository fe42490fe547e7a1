"""What was chosen, how it scores and what it cost: kept on disk after every choice."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from common import machine
from numpy.typing import NDArray

Subset = NDArray[np.int64]


class Rows(Protocol):
    """Rows to choose columns on, and others that score the choice."""

    seed: int
    n_features: int

    def right(self, subset: Subset) -> NDArray[np.float64]:
        """Return for each scored row the share of the final forests that get it right."""

    def facts(self, subset: Subset) -> dict[str, Any]:
        """Return what else is known of a choice."""


class Record:
    """The choices of one file; a run that was ended goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[dict[str, Any]] = []
        if path.exists():
            self.runs = json.loads(path.read_text())["runs"]

    def find(self, **key: Any) -> dict[str, Any] | None:
        return next((run for run in self.runs if key.items() <= run.items()), None)

    def add(self, **run: Any) -> None:
        self.runs.append(run)
        lines = ",\n".join(json.dumps(one) for one in self.runs)
        text = f'{{"machine": {json.dumps(machine())},\n"runs": [\n{lines}\n]}}\n'
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".partial")
        scratch.write_text(text)
        scratch.replace(self.path)


def measure(
    record: Record, rows: Rows, part: str, k: int, methods: dict[str, Callable[[], Subset]]
) -> None:
    """Make and score the choices that are not recorded yet; the first method is the ants'."""
    of_ants: NDArray[np.float64] | None = None
    for name, choose in methods.items():
        key = {"part": part, "seed": rows.seed, "k": k, "method": name}
        if record.find(**key):
            continue
        began = time.perf_counter()
        subset = choose()
        seconds = time.perf_counter() - began
        right = rows.right(subset)
        if of_ants is None:
            first = next(iter(methods))
            known = record.find(**key | {"method": first})
            of_ants = rows.right(np.array(known["subset"])) if known else right
        gain = of_ants - right
        record.add(
            **key,
            accuracy=float(right.mean()),
            seconds=seconds,
            n_scored=len(right),
            n_features=rows.n_features,
            row_error=float(gain.std() / np.sqrt(len(gain))),
            **rows.facts(subset),
            subset=subset.tolist() if len(subset) < rows.n_features else "all",
        )
        print(f"{part}, seed {rows.seed}, k = {k}: {right.mean():.4f} {name}", flush=True)
