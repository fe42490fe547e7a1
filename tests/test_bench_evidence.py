"""The evidence's tables say of its choices what can be worked out by hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.metrics import mutual_info_score

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def summary(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("evidence_summary")


@pytest.fixture
def rankings(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("rankings")


def graded() -> tuple[Any, Any]:
    """Return four columns, each of which tells more of three classes than the one before."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 2000)
    X = rng.normal(size=(2000, 4)) + np.outer(y, [0, 0.3, 1, 3])
    return X.astype(np.float32), y


def test_holm_steps_down_and_never_back(summary: Any) -> None:
    compared = [{"p": p} for p in (0.04, 0.01, 0.03, 0.9)]
    summary.holm(compared)
    assert [one["holm"] for one in compared] == pytest.approx([0.09, 0.04, 0.09, 0.9])


def test_kuncheva_is_one_for_equal_subsets_and_nothing_for_chance(summary: Any) -> None:
    assert summary.kuncheva([[1, 2, 3]] * 3, 5120) == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = [rng.choice(5120, 500, replace=False).tolist() for _ in range(20)]
    assert abs(summary.kuncheva(drawn, 5120)) < 0.02


def run_of(method: str, seed: int, accuracy: float, k: int = 8) -> dict[str, Any]:
    subset = "all" if method == "all" else [*range(k)]
    common = {"part": "equal", "seconds": 1.0, "row_error": 0.002, "n_features": 5120}
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


def test_a_run_that_was_ended_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    choices = importlib.import_module("choices")

    class Draw:
        seed, n_features = 4, 9

        def right(self, subset: Any) -> Any:
            return (np.arange(6) < len(subset)).astype(float)

        def facts(self, subset: Any) -> Any:
            return {"least": int(min(subset))}

    asked: list[str] = []

    def choose(name: str) -> Any:
        return lambda: asked.append(name) or np.arange(3 if name == "ants" else 2)

    path = tmp_path / "some" / "evidence.json"
    methods = {name: choose(name) for name in ("ants", "others")}
    first = {"ants": methods["ants"]}
    choices.measure(choices.Record(path), Draw(), "equal", 3, first)
    choices.measure(choices.Record(path), Draw(), "equal", 3, methods)
    choices.measure(choices.Record(path), Draw(), "equal", 3, methods)
    assert asked == ["ants", "others"]
    kept = choices.Record(path).find(method="others")
    assert kept["accuracy"] == pytest.approx(2 / 6)
    assert (kept["subset"], kept["least"]) == ([0, 1], 0)
    gain = np.array([0, 0, 1, 0, 0, 0])
    assert kept["row_error"] == pytest.approx(gain.std() / np.sqrt(6))


def test_mutual_information_is_that_of_quantile_bins(rankings: Any) -> None:
    X, y = graded()
    found = rankings.mutual_information(X, y)
    for column, value in zip(X.T, found, strict=True):
        bins = np.searchsorted(np.quantile(column, np.arange(1, 16) / 16), column, side="right")
        assert value == pytest.approx(mutual_info_score(bins, y))
    assert (np.diff(mutual_info_classif(X, y, random_state=0)) > 0).all()
    assert (np.diff(found) > 0).all()


def test_mrmr_takes_what_is_relevant_over_redundant(rankings: Any) -> None:
    X, y = graded()
    # The best column has a near copy, which a plain ranking takes before one that tells less.
    X = np.column_stack([X[:, :3], X[:, 2] + X[:, 0] / 100, X[:, 1] + y * 0.6]).astype(np.float32)
    F = f_classif(X.astype(float), y)[0]
    correlated = np.abs(np.corrcoef(X.T.astype(float)))
    order = [int(F.argmax())]
    while len(order) < 4:
        left = np.setdiff1d(np.arange(5), order)
        order.append(int(left[(F[left] / correlated[left][:, order].mean(axis=1)).argmax()]))
    assert rankings.mrmr(X, y, 4).tolist() == order
    assert set(order[:2]) != set(np.argsort(-F)[:2]) == {2, 3}


def test_forests_rank_what_tells_above_what_does_not(rankings: Any) -> None:
    X, y = graded()
    X = np.hstack([np.random.default_rng(1).normal(size=(len(X), 6)).astype(np.float32), X])
    hits = rankings.boruta(X, y, seed=0, rounds=4)
    assert (hits[8:] >= 4).all()
    assert (hits[:6] < 2).all()
    assert hits[9] > hits[8]
    assert rankings.eliminate_by_importances(X, y, [2, 1], seed=0)[2].tolist() == [8, 9]
    mean = rankings.importances(X, y, n_forests=2, seed=0)
    assert mean.sum() == pytest.approx(1)
    assert mean.argmax() == 9


def test_a_consensus_takes_what_most_colonies_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    attempts = importlib.import_module("attempts")
    answers = iter([[0, 7], [1, 7], [1, 5], [4, 7], [4, 0]])
    # 7 has three votes; of those with two, 0 has the first colony's.
    taken = attempts.consensus(lambda _: np.array(next(answers)), n_columns=8, k=2, seed=3)
    assert sorted(taken) == [0, 7]


def test_a_swap_needs_every_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    attempts = importlib.import_module("attempts")
    rng = np.random.default_rng(0)
    truth = rng.permutation(40).astype(float)
    start = np.sort(rng.choice(40, 16, replace=False))

    def total(subset: Any) -> float:
        return float(truth[subset].sum())

    def likeness(subset: Any) -> float:
        return -float(truth[subset].var())

    alone = attempts.swap(start, [total], worth=truth, seed=1)
    both = attempts.swap(start, [total, likeness], worth=truth, seed=1)
    assert len(set(alone)) == len(set(both)) == 16
    assert total(alone) > total(both) > total(start)
    assert likeness(both) > likeness(start)


def test_the_made_matrices_hold_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    made = importlib.import_module("matrices_made")
    for name, n_blocks in (("planted", 20), ("blocks", 10), ("copies", 16)):
        matrix = made.MATRICES[name](3)
        mattering = np.flatnonzero(matrix.blocks >= 0)
        assert matrix.found(mattering) == n_blocks
        assert matrix.found(np.setdiff1d(np.arange(len(matrix.blocks)), mattering)) == 0
        # A forest on one column of each tells more than one on as many others.
        one_each = np.array([np.flatnonzero(matrix.blocks == b)[0] for b in range(n_blocks)])
        others = np.flatnonzero(matrix.blocks < 0)[-n_blocks:]
        told, chance = (
            RandomForestClassifier(50, random_state=0)
            .fit(matrix.X[:, columns], matrix.y)
            .score(matrix.X_scored[:, columns], matrix.y_scored)
            for columns in (one_each, others)
        )
        assert told > chance + 0.15, name
    blocks = made.MATRICES["blocks"](3)
    correlated = np.corrcoef(blocks.X_scored[:, blocks.blocks == 4].T)
    assert correlated[0, 1:] == pytest.approx(0.9, abs=0.02)
    assert made.MATRICES["digits"](3).found(np.arange(5)) is None


def test_a_mean_is_starred_where_holm_lets_it_stand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    summary = importlib.import_module("matrices_summary")
    rng = np.random.default_rng(0)
    runs = []
    for seed in range(6):
        level = rng.normal(0.7, 0.05)
        accuracies = {"ants": level, "poor": level - 0.1 + rng.normal(0, 0.001), "all": level}
        for method, accuracy in accuracies.items():
            run = run_of(method, seed, accuracy) | {"part": "made", "k": 8}
            runs.append(run | {"found": {"all": 3, "ants": 3, "poor": seed % 2}[method]})
            runs[-1]["n_kept"] = 5120 if method == "all" else 8
    runs += [
        {"part": "permuted", "matrix": "made", "seed": seed, "method": "within each fold"}
        | {"balanced_accuracy": 0.25 + 0.01 * (seed - 1), "chance": 0.25}
        for seed in range(3)
    ]
    summary.show(runs)
    printed = capsys.readouterr().out
    assert "| chosen by | made, 8 of 5,120 |" in printed
    assert "| poor | +10.0 ± 0.1\\* |" in printed
    assert "| all | +0.0 ± 0.0 |" in printed
    assert "| ants | 3.0 (6 of 6) |" in printed
    assert "| poor | 0.5 (0 of 6) |" in printed
    assert "| within each fold | +0.0 ± 2.5 |" in printed


def test_every_way_to_choose_keeps_as_many_columns_as_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(BENCH))
    matrices, made = (importlib.import_module(name) for name in ("matrices", "matrices_made"))
    choices = importlib.import_module("choices")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(160, 12)).astype(np.float32), np.arange(160) % 2
    X[:, 3] += 3 * y
    X[:, 7] -= 2 * y
    blocks = np.where(np.arange(12) == 3, 0, np.where(np.arange(12) == 7, 1, -1))
    matrix = made.Matrix(X[:80], y[:80], X[80:], y[80:], 2, blocks)
    record = choices.Record(tmp_path / "matrices.json")
    matrices.compare(matrix, "small", 0, record)
    kept = {run["method"]: run["n_kept"] for run in record.runs}
    own = {kept.pop("ants, their own k"), kept.pop("all")}
    assert own <= set(range(1, 13))
    assert set(kept.values()) == {2}
    assert len(kept) == 11
    found = {run["method"]: run["found"] for run in record.runs}
    assert {found[name] for name in kept if name != "random"} == {2}
    matrices.compare_permuted(matrix, "small", 0, record)
    inside, before = record.runs[-2:]
    assert (inside["method"], before["method"]) == ("within each fold", "before the folds")
    assert inside["chance"] == 0.5
    assert abs(inside["balanced_accuracy"] - 0.5) < 0.2
