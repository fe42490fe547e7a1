"""What the benchmarks print is what their files hold, and both are what the runs say."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 340 rows of 24 features in three classes, as `--features` takes them."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3, dtype=np.uint8), [150, 110, 80])
    rng.shuffle(labels)
    X = np.maximum(rng.normal(size=(340, 24)) + labels[:, None] * (np.arange(24) < 6), 0)
    splits = np.repeat(np.arange(3, dtype=np.uint8), [220, 60, 60])
    path = tmp_path_factory.mktemp("bench") / "features.npz"
    np.savez(path, X=X.astype(np.float32), labels=labels, splits=splits)
    return path


Ran = tuple[str, Any]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ran]:
    """Return a function that runs a benchmark and returns what it printed and what it wrote."""

    def ran(script: str, *arguments: object) -> Ran:
        out = tmp_path / "results.json"
        found = subprocess.run(
            [sys.executable, BENCH / f"{script}.py", *map(str, arguments), "--out", out],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert found.returncode == 0, found.stderr
        return found.stdout, json.loads(out.read_text())

    return ran


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a function that imports a benchmark."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def table(printed: str, title: str) -> dict[str, list[str]]:
    """Return the rows of a printed table, each under its first cell."""
    lines = printed.splitlines()
    start = next(at for at, line in enumerate(lines) if title in line)
    columns = [found.span() for found in re.finditer("-+", lines[start + 2])]
    rows: dict[str, list[str]] = {}
    for line in lines[start + 3 :]:
        if not line.strip():
            break
        first, *others = (line[a:b].strip() for a, b in columns)
        rows.setdefault(first, others)
    return rows


def test_one_evaluation(run: Callable[..., Ran], features: Path) -> None:
    printed, found = run("fitness", "--quick", "--features", features)
    rows, speed = table(printed, "One evaluation"), found["speed"]
    assert (speed["rows"], speed["features"]) == (220, 12)
    for engine in ("sklearn", "native"):
        taken = median(speed[engine]["seconds"])
        per_update = 2e9 * taken / speed["updates"]
        assert rows[engine] == [
            f"{taken:.2f}",
            f"{speed[engine]['score']:.4f}",
            f"{per_update:.2f}",
        ]
    ratio = median(speed["sklearn"]["seconds"]) / median(speed["native"]["seconds"])
    assert f"native is {ratio:.1f} times as fast" in printed
    assert found["machine"]["versions"]["scikit-learn"]


def test_updates_are_the_rows_of_inner_nodes_times_the_columns_drawn(
    bench: Callable[[str], Any],
) -> None:
    # One cut parts the classes, so that a tree's only inner node is its root.
    y = np.repeat([0, 1], 40)
    X = np.repeat(y[:, None], 9, axis=1).astype(np.float32)
    rows = bench("common").Rows(X, y, X, y)
    counted = bench("fitness").count_updates(rows, np.arange(9), n_trees=60)
    forest = RandomForestClassifier(6, random_state=0).fit(X, y)
    drawn = sum(len(np.unique(rows)) for rows in forest.estimators_samples_)
    # Six trees are looked at in place of sixty; the root of nine columns draws three.
    assert counted == drawn * 3 * 60 / 6


def ranks(values: np.ndarray) -> np.ndarray:
    return np.array([(values < one).sum() + ((values == one).sum() - 1) / 2 for one in values])


def test_agreement_of_two_engines(run: Callable[..., Ran], features: Path) -> None:
    printed, found = run("fitness_parity", "--quick", "--features", features, "--no-public")
    agreement = found["agreement"]
    scores = {name: np.array(values) for name, values in agreement["scores"].items()}
    assert [len(values) for values in scores.values()] == [len(agreement["subset_sizes"])] * 4
    rows = table(printed, "macro-F1 averaged")
    for pair in ("native | sklearn", "sklearn | sklearn again"):
        a, b = (scores[name] for name in pair.split(" | "))
        rho = np.corrcoef(ranks(a), ranks(b))[0, 1]
        half = np.corrcoef(ranks(a[len(a) // 2 :]), ranks(b[len(b) // 2 :]))[0, 1]
        differences = 100 * (a - b)
        expected = [rho, half, differences.mean(), differences.std()]
        assert [float(cell) for cell in rows[pair]] == pytest.approx(expected, abs=6e-4)
        assert agreement[pair]["spearman"] == pytest.approx(rho)
    assert "public" not in found


def test_balancing(run: Callable[..., Ran], features: Path) -> None:
    printed, found = run("smote", "--quick", "--features", features)
    # The largest class of the 220 training rows, three times.
    with np.load(features) as stored:
        most = np.bincount(stored["labels"][stored["splits"] == 0]).max()
    assert (found["rows_before"], found["rows_after"]) == (220, 3 * most)
    assert f"SMOTE: 220 to {3 * most} rows of 24 features" in printed
    assert found["identical"]
    assert "the results are identical" in printed
    seconds = {side: median(taken) for side, taken in found["seconds"].items()}
    assert found["ratio"] == pytest.approx(seconds["imbalanced-learn"] / seconds["fer-fast"])


def test_final_forests(run: Callable[..., Ran], features: Path) -> None:
    printed, found = run(
        "forest_parity", "--quick", "--features", features, "--sets", "iris", "wine"
    )
    assert set(found["sets"]) == {"iris", "wine"}
    rows = table(printed, "Other data sets")
    for name, one in found["sets"].items():
        differences = 100 * np.subtract(one["accuracies"]["native"], one["accuracies"]["sklearn"])
        assert len(differences) == 3
        # Student's t for two degrees of freedom.
        half = 4.302653 * differences.std(ddof=1) / 3**0.5
        assert one["difference"] == pytest.approx(differences.mean())
        assert (one["low"], one["high"]) == pytest.approx(
            (differences.mean() - half, differences.mean() + half), abs=1e-5
        )
        assert rows[name][-2] == f"{one['difference']:+.2f}"
        assert rows[name][3] == f"{mean(one['accuracies']['native']):.4f}"
    real = found["real"]
    accuracies = {kind: mean(values) for kind, values in real["accuracies"].items()}
    assert real["difference"] == pytest.approx(100 * (accuracies["native"] - accuracies["sklearn"]))


def test_the_colony_itself(run: Callable[..., Ran]) -> None:
    printed, found = run("colony", "--quick", "--rounds", 1, "--limit", "1e-9", "--no-million")
    lines = [line for line in printed.splitlines() if line.endswith("over limit")]
    assert len(lines) == len(found["iteration_seconds"]) == 12
    for line, row in zip(lines, found["iteration_seconds"], strict=True):
        assert f"{row['n']:,}" in line
        assert f"{1e3 * row['rust']:,.2f} ms" in line
    for setting, slope in found["exponents"].items():
        q0, share = (float(part.split("=")[1]) for part in setting.split()[1:])
        mine = [
            (np.log(row["n"]), np.log(row["rust"]))
            for row in found["iteration_seconds"]
            if (row["q0"], row["share"]) == (q0, share)
        ]
        x, y = np.array(mine).T
        expected = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
        assert slope == pytest.approx(expected)
        assert f"n^{expected:.2f} at {setting}" in printed


def test_peers(run: Callable[..., Ran]) -> None:
    printed, found = run("peers", "--quick", "--methods", "all features", "random subsets")
    lines = [line for line in printed.splitlines() if line.startswith("| random subsets")]
    for line, runs in zip(lines, found["runs"].values(), strict=True):
        (one,) = runs["random subsets"]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:3] == [f"{one['fits']:.0f}", f"{one['overhead_ms']:.2f}"]
        assert cells[4].split()[0] == f"{one['accuracy']:.3f}"
        assert cells[5:] == [f"{one['kept']:.0f}", "-"]
        assert one["fits"] == found["budget"]
        assert runs["all features"][0]["fits"] == 0


def test_an_interval_is_students(bench: Callable[[str], Any]) -> None:
    interval = bench("common").interval
    # 1, 2, 3: standard deviation 1, and t of two degrees of freedom 4.3027.
    assert interval([1, 2, 3]) == pytest.approx((2, 4.302653 / 3**0.5))
    assert interval([5, 5]) == (5, 0)
    assert np.isnan(interval([5])[1])


def test_laps_are_compared_with_the_fastest_batch_of_keras(bench: Callable[[str], Any]) -> None:
    laps = {
        "keras predict, batch 32": [4.0, 6.0, 5.0],
        "keras predict, batch 128": [3.0, 8.0, 4.0],
        "ours": [1.0, 2.0, 2.5],
    }
    found = bench("extraction").summarise(laps, 100)
    assert found["ours"] == {
        "images_per_s": 50,
        "ratio": 4 / 2,
        "ratio_of_best_laps": 3 / 1,
        "spread": 2.5,
    }
    assert found["keras predict, batch 32"]["ratio"] == 4 / 5


def test_medians_are_taken_figure_by_figure(bench: Callable[[str], Any]) -> None:
    runs = {
        "plain": [{"total": 3.0, "kept": 5}, {"total": 1.0, "kept": 9}, {"total": 2.0, "kept": 7}]
    }
    assert bench("pipeline").medians_of(runs) == {"plain": {"total": 2.0, "kept": 7.0}}
