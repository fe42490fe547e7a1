"""The evidence's tables say of its choices what can be worked out by hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score

from fer_fast import Colony

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("evidence_summary")


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("evidence")


def test_holm_steps_down_and_never_back(summary: Any) -> None:
    compared = [{"p": p} for p in (0.04, 0.01, 0.03, 0.9)]
    summary.holm(compared)
    assert [one["holm"] for one in compared] == pytest.approx([0.09, 0.04, 0.09, 0.9])


def test_kuncheva_is_one_for_equal_subsets_and_nothing_for_chance(summary: Any) -> None:
    assert summary.kuncheva([[1, 2, 3]] * 3) == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = [rng.choice(5120, 500, replace=False).tolist() for _ in range(20)]
    assert abs(summary.kuncheva(drawn)) < 0.02


def run_of(method: str, seed: int, accuracy: float, k: int = 8) -> dict[str, Any]:
    subset = "all" if method == "all" else [*range(k)]
    common = {"part": "equal", "seconds": 1.0, "row_error": 0.002, "n_scored": 9}
    return common | {
        "seed": seed,
        "k": 5120 if method == "all" else k,
        "method": method,
        "accuracy": accuracy,
        "subset": subset,
    }


def test_methods_are_compared_within_a_seed_and_all_features_at_every_size(
    summary: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    levels = rng.normal(0.4, 0.05, 5)
    ants, others, everything = (levels + rng.normal(gain, 0.002, 5) for gain in (0.01, 0, 0.012))
    runs = [
        run
        for seed in range(5)
        for run in (
            run_of("ants", seed, ants[seed]),
            run_of("k best F", seed, others[seed]),
            run_of("ants", seed, ants[seed] + 0.005, k=16),
            run_of("all", seed, everything[seed]),
        )
    ]
    # A seed that has no ants yet is compared with nothing.
    runs.append(run_of("k best F", 9, 0.9))
    found = {(one["k"], one["method"]): one for one in summary.compare(runs)}
    assert found.keys() == {(8, "k best F"), (8, "all"), (16, "all")}
    one = found[8, "k best F"]
    assert one["gain"] == pytest.approx(100 * (ants - others).mean())
    assert one["p"] == pytest.approx(ttest_rel(ants, others).pvalue)
    assert found[16, "all"]["gain"] == pytest.approx(100 * (ants + 0.005 - everything).mean())
    summary.show(runs)
    printed = capsys.readouterr().out
    assert printed.count("| all |") == 2
    assert f"| {one['gain']:+.2f} ± {one['half']:.2f} |" in printed
    assert found[8, "all"]["gain"] < 0
    assert f"| −{-found[8, 'all']['gain']:.2f} ±" in printed
    assert "3 comparisons" in printed


def test_a_run_that_was_ended_goes_on(evidence: Any, tmp_path: Path) -> None:
    class Draw:
        n_features = 9

        class run:  # noqa: N801
            seed = 4

        def right(self, subset: Any) -> Any:
            return (np.arange(6) < len(subset)).astype(float)

    asked: list[str] = []

    def choose(name: str) -> Any:
        return lambda: asked.append(name) or np.arange(3 if name == "ants" else 2)

    path = tmp_path / "some" / "evidence.json"
    methods = {name: choose(name) for name in ("ants", "others")}
    first = {"ants": methods["ants"]}
    evidence.measure(evidence.Record(path), Draw(), "equal", 3, first)
    evidence.measure(evidence.Record(path), Draw(), "equal", 3, methods)
    evidence.measure(evidence.Record(path), Draw(), "equal", 3, methods)
    assert asked == ["ants", "others"]
    kept = evidence.Record(path).find(method="others")
    assert kept["accuracy"] == pytest.approx(2 / 6)
    assert kept["subset"] == [0, 1]
    gain = np.array([0, 0, 1, 0, 0, 0])
    assert kept["row_error"] == pytest.approx(gain.std() / np.sqrt(6))


def test_mutual_information_is_that_of_quantile_bins(evidence: Any) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    X = (rng.normal(size=(2000, 4)) + np.outer(y, [0, 0.3, 1, 3])).astype(np.float32)
    draw = evidence.Draw.__new__(evidence.Draw)
    draw.training, draw.n_features = evidence.TrainingRows(X, y, np.arange(2000)), 4
    found = draw.mutual_information()
    for column, value in zip(X.T, found, strict=True):
        bins = np.searchsorted(np.quantile(column, np.arange(1, 16) / 16), column, side="right")
        assert value == pytest.approx(mutual_info_score(bins, y))
    assert (np.diff(mutual_info_classif(X, y, random_state=0)) > 0).all()
    assert (np.diff(found) > 0).all()


def test_sizes_are_halved_as_often_as_the_colony_does(evidence: Any) -> None:
    for n, k in ((5120, 128), (5120, 64), (100, 33), (7, 7)):
        colony = Colony(
            np.ones(n), deposit="credit", sizes="annealed", min_features=k, max_features=k
        )
        halvings = [i for i in range(20) if colony.ants_of(i) != 20]
        assert len(halvings) == evidence.stages(n, k)
