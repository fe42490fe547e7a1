"""Several runs together: settings, answers and selections."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_fast.errors import DataError
from fer_fast.runs.compare import (
    compare_pair,
    different_parameters,
    mcnemar,
    mean_over_seeds,
    overlap,
    selection_stability,
    summarise_seeds,
)
from fer_fast.runs.record import find_runs, read_record

WriteRun = Callable[..., Path]


@given(only_first=st.integers(0, 60), only_second=st.integers(0, 60), both=st.integers(0, 9))
def test_mcnemars_p_is_the_share_of_splits_as_uneven(
    only_first: int, only_second: int, both: int
) -> None:
    first = np.array([0] * only_first + [1] * only_second + [0] * both)
    second = np.array([1] * only_first + [0] * only_second + [0] * both)
    pair = mcnemar(np.zeros(len(first), int), first, second)
    assert (pair.only_first, pair.only_second) == (only_first, only_second)
    n, least = only_first + only_second, min(only_first, only_second)
    tail = sum(comb(n, k) for k in range(least + 1)) / 2**n
    assert pair.p == pytest.approx(min(1.0, 2 * tail))


def test_an_interval_over_seeds_is_students() -> None:
    # 12.706 and 2.776 are the 97.5 % points for 1 and 4 degrees of freedom, of any table.
    assert mean_over_seeds([0.4, 0.6]).half_width == pytest.approx(12.706 * 0.1, rel=1e-4)
    five = mean_over_seeds([1.0, 2.0, 3.0, 4.0, 5.0])
    assert five.mean == 3
    assert five.half_width == pytest.approx(2.776 * np.sqrt(2.5 / 5), rel=1e-3)
    assert np.isnan(mean_over_seeds([0.5]).half_width)


def test_a_pair_is_compared_on_its_rows(write_run: WriteRun) -> None:
    first, second = (read_record(write_run(f"r{seed}", seed=seed)) for seed in (0, 1))
    pair = compare_pair(first, second)
    y = first.predictions.y
    hits = [one.predictions.predicted == y for one in (first, second)]
    assert pair.only_first - pair.only_second == hits[0].sum() - hits[1].sum()
    assert pair.only_first == (hits[0] & ~hits[1]).sum()
    same = compare_pair(first, first)
    assert (same.only_first, same.only_second, same.p) == (0, 0, 1.0)
    assert different_parameters([first, second]) == {"seed": [0, 1]}


def test_runs_on_other_faces_are_not_compared(write_run: WriteRun) -> None:
    first, other = read_record(write_run("a")), write_run("b")
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["data"]["hash"] = "e" * 64
    (other / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match="tested on different faces"):
        compare_pair(first, read_record(other))
    with pytest.raises(DataError, match="tested on different faces"):
        compare_pair(first, read_record(write_run("c", n=300)))


def test_selections_overlap_as_sets_do(write_run: WriteRun) -> None:
    runs = [read_record(write_run(f"r{seed}", seed=seed)) for seed in (0, 1)]
    one, other = (set(run.metrics["features"]["indices"]) for run in runs)
    assert overlap(*runs) == len(one & other) / len(one | other)
    assert overlap(runs[0], runs[0]) == selection_stability([runs[0], runs[0]]) == 1
    # Both are drawn by chance.
    assert abs(selection_stability(runs)) < 0.1


def test_seeds_are_summed_up_by_pairs(write_run: WriteRun) -> None:
    documents = [read_record(write_run(f"r{seed}", seed=seed)).metrics for seed in range(3)]
    found = {(one.method, one.rows, one.measure): one for one in summarise_seeds(documents)}
    ahead = [
        d["test"]["accuracy"] - d["baselines"]["random"]["test"]["accuracy"] for d in documents
    ]
    assert found["random", "test", "accuracy"].ahead == mean_over_seeds(ahead)
    assert found["chosen", "test_deduplicated", "f1_macro"].score.mean == pytest.approx(
        np.mean([d["test_deduplicated"]["f1_macro"] for d in documents])
    )
    assert len(found) == 16


def test_runs_are_found_below_a_folder_and_nothing_else(
    write_run: WriteRun, tmp_path: Path
) -> None:
    written = [write_run("a"), write_run("deep/er/b")]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.toml").write_text("[tool]\n")
    (tmp_path / "metrics.json").write_text("{}")
    assert find_runs(tmp_path) == written


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no run that has ended"),
        ("{", "cannot read"),
        ("[]", "it is no JSON object"),
        ("[" * 100_000, "cannot read"),
        ('{"run_id": "x"}', "has no 'version'"),
        ('{"run_id": NaN}', "holds NaN, which is no number"),
        ('{"run_id": 1e999}', "holds 1e999, which is no number"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(DataError, match=said):
        read_record(tmp_path)
