"""What several runs say together: where they differ, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.runs.record import RunRecord
from fer_fast.selection.stability import stability

METHODS = {
    "chosen": "ant colony",
    "k_best": "k best by F",
    "random": "k at random",
    "all_features": "all features",
}
"""The features that a run fits its forests on, for people."""

TEST_ROWS = ("test", "test_deduplicated")
"""All test rows, and those whose image stands in no other split, as ``metrics.json`` has them."""

MEASURES = ("accuracy", "f1_macro")
"""Of a method on some rows."""


@dataclass(frozen=True)
class Pair:
    """Two lists of answers for the same rows.

    Attributes
    ----------
    only_first, only_second : int
        Rows that one alone has right.
    p : float
        Of McNemar's test, two-sided and exact: how probable so uneven a split of those rows is
        where both are equally good.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(
    y: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer]
) -> Pair:
    """Compare two classifiers on the same rows.

    Q. McNemar, "Note on the Sampling Error of the Difference Between Correlated Proportions or
    Percentages", Psychometrika 12 (1947) 153-157, with the binomial distribution for its
    approximation.

    Parameters
    ----------
    y, first, second : ndarray of shape (n,), integer
        True classes, and two predictions of them.
    """
    from scipy.stats import binomtest

    right = first == y, second == y
    only_first = int((right[0] & ~right[1]).sum())
    only_second = int((right[1] & ~right[0]).sum())
    discordant = only_first + only_second
    p = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return Pair(only_first, only_second, p)


@dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes
    ----------
    mean : float
    half_width : float
        Of its 95 % interval by Student's t; NaN for one seed.
    """

    mean: float
    half_width: float


def mean_over_seeds(values: Sequence[float]) -> Mean:
    """Return the mean of independent values, and how far it may be from that of all seeds."""
    from scipy.stats import t

    n = len(values)
    if n < 2:
        return Mean(float(np.mean(values)), math.nan)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return Mean(float(np.mean(values)), float(t.ppf(0.975, n - 1)) * error)


@dataclass(frozen=True)
class SeedSummary:
    """What runs say together that differ by their seed alone.

    Attributes
    ----------
    method, rows, measure : str
        Of `METHODS`, `TEST_ROWS` and `MEASURES`.
    score : Mean
    ahead : Mean
        How far the colony's features score above it, by the pairs of each seed.
    """

    method: str
    rows: str
    measure: str
    score: Mean
    ahead: Mean


def summarise_seeds(documents: Sequence[dict[str, Any]]) -> list[SeedSummary]:
    """Return the means over seeds of every method.

    Parameters
    ----------
    documents : sequence of dict
        The document of ``metrics.json`` of each seed.
    """
    found = []
    for rows in TEST_ROWS:
        for measure in MEASURES:
            chosen = [one[rows][measure] for one in documents]
            for method in METHODS:
                values = [scores_of(one, method)[rows][measure] for one in documents]
                ahead = [ours - its for ours, its in zip(chosen, values, strict=True)]
                summary = (mean_over_seeds(values), mean_over_seeds(ahead))
                found.append(SeedSummary(method, rows, measure, *summary))
    return found


def scores_of(metrics: dict[str, Any], method: str) -> dict[str, Any]:
    """Return ``test`` and ``test_deduplicated`` of one of `METHODS`."""
    found: dict[str, Any] = metrics if method == "chosen" else metrics["baselines"][method]
    return found


def different_parameters(runs: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Return the settings, and versions, that are not the same in all runs, by name."""
    found = {}
    tables = [run.metrics.get("versions", {}) | run.parameters for run in runs]
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [table.get(name) for table in tables]
        if name not in ("out", "jobs") and any(value != values[0] for value in values):
            found[name] = values
    return found


def compare_pair(first: RunRecord, second: RunRecord) -> Pair:
    """Compare two runs on the test rows that they share.

    Raises
    ------
    DataError
        If they were tested on different rows.
    """
    one, other = first.predictions, second.predictions
    same_data = first.metrics["data"]["hash"] == second.metrics["data"]["hash"]
    if not same_data or not np.array_equal(one.rows, other.rows):
        raise DataError(
            f"the runs in {first.path} and {second.path} were tested on different faces",
            hint="compare runs of the same --data and --labels",
        )
    return mcnemar(one.y, one.predicted, other.predicted)


def overlap(first: RunRecord, second: RunRecord) -> float:
    """Return how many features two selections share, of all that either has (Jaccard)."""
    one, other = set(first.subset.tolist()), set(second.subset.tolist())
    return len(one & other) / len(one | other) if one | other else 1.0


def selection_stability(runs: Sequence[RunRecord]) -> float:
    """Return how alike the runs' selections are, corrected for chance; NaN where none can be said.

    That is `fer_fast.selection.stability.stability`.
    """
    totals = {run.metrics["features"]["total"] for run in runs}
    if len(totals) != 1:
        return math.nan
    supports = np.zeros((len(runs), totals.pop()), bool)
    for support, run in zip(supports, runs, strict=True):
        support[run.subset] = True
    return stability(list(supports))
