"""What one fitness evaluation costs: the native forest beside scikit-learn's.

    python bench/fitness.py --data fer2013.csv --weights WEIGHTS.h5 --out bench/results/fitness.json

Four questions, on real features of the training split scored on the public test split:

1. speed: both forests on all rows and half the features, 90 trees, full growth, interleaved;
2. growth: seconds of the native forest over rows, features and trees;
3. threads: where two threads serve best, inside one evaluation or over two at once;
4. memory: bytes a cell of the binned rows.

Beside the seconds stand nanoseconds per (row, column) update: the rows of every node times the
columns it draws, a count taken from scikit-learn's own trees of the same forest. The floor is a
plain loop that does nothing but read one byte a row through an index.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from common import Rows, arguments, load_rows, median, print_growth, print_table, write_results
from sklearn.ensemble import RandomForestClassifier

from fer_fast import ForestFitness
from fer_fast._core import Forest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_TREES = 90


def main() -> None:
    options = arguments(__doc__)
    rows = load_rows(options)
    rounds = 1 if options.quick else 3
    n_trees = 10 if options.quick else N_TREES
    if options.quick:
        rows = rows.first(6_000)
    results: dict[str, Any] = {"quick": options.quick, "n_trees": n_trees}
    results["speed"] = speed(rows, n_trees, rounds)
    results["growth"] = growth(rows, n_trees, rounds)
    results["threads"] = threads(rows, n_trees, rounds)
    results["memory"] = memory(rows)
    write_results(options, results)


def speed(rows: Rows, n_trees: int, rounds: int) -> dict[str, Any]:
    """Both forests, two threads each, one after the other in every round."""
    subset = half(rows)
    forests = {
        engine: ForestFitness(*rows, engine=engine, n_estimators=n_trees, n_jobs=2)
        for engine in ("sklearn", "native")
    }
    seconds: dict[str, list[float]] = {"sklearn": [], "native": []}
    scores = {}
    for _ in range(rounds):
        for engine, fitness in forests.items():
            elapsed, scores[engine] = timed(fitness, subset)
            seconds[engine].append(elapsed)
    updates = count_updates(rows, subset, n_trees)
    result = {
        "rows": len(rows.X_train),
        "features": len(subset),
        "updates": updates,
        "ratio": median(seconds["sklearn"]) / median(seconds["native"]),
        "floor_ns": floor_ns(rows),
    }
    for engine in forests:
        result[engine] = {
            "seconds": seconds[engine],
            "score": scores[engine],
            # Two threads share the work.
            "ns_per_update": 2e9 * median(seconds[engine]) / updates,
        }
    print_table(
        f"One evaluation, {len(rows.X_train):,} x {len(subset):,}, {n_trees} trees, 2 threads",
        ("engine", "seconds", "macro-F1", "ns/update/core"),
        [
            (
                engine,
                f"{median(seconds[engine]):.2f}",
                f"{scores[engine]:.4f}",
                f"{result[engine]['ns_per_update']:.2f}",
            )
            for engine in forests
        ]
        + [("floor (read one byte)", "", "", f"{result['floor_ns']:.2f}")],
    )
    print(f"native is {result['ratio']:.1f} times as fast; {updates / 1e9:.2f} G updates a forest")
    return result


def growth(rows: Rows, n_trees: int, rounds: int) -> list[dict[str, Any]]:
    """How the native forest's time grows along each axis, the others held."""
    all_rows, all_features = rows.X_train.shape
    doubled = rows.doubled()
    cases = [
        *((doubled.first(n), all_features // 2, n_trees) for n in (5_000, 28_709, 50_000)),
        *((rows, k, n_trees) for k in (1_000, 2_560, all_features) if k <= all_features),
        *((rows, all_features // 2, t) for t in (n_trees // 3, 3 * n_trees)),
    ]
    measured = []
    for case_rows, k, trees in cases:
        fitness = ForestFitness(*case_rows, n_estimators=trees, n_jobs=2)
        subset = evenly(all_features, k)
        seconds = median([timed(fitness, subset)[0] for _ in range(rounds)])
        n = len(case_rows.X_train)
        measured.append({"rows": n, "features": k, "trees": trees, "seconds": seconds})
    print_growth(
        f"Growth of the native forest, 2 threads ({all_rows:,} rows and a noisy copy)", measured
    )
    return measured


def threads(rows: Rows, n_trees: int, rounds: int) -> dict[str, float]:
    """Four evaluations on two cores: one after another on two threads, or two at a time on one."""
    subsets = [half(rows, seed) for seed in range(4)]
    inside = ForestFitness(*rows, n_estimators=n_trees, n_jobs=2)
    over = ForestFitness(*rows, n_estimators=n_trees, n_jobs=1)

    def at_once() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(over, subsets))

    seconds = {
        "one at a time, two threads inside": median(
            [timed_call(lambda: [inside(s) for s in subsets]) for _ in range(rounds)]
        ),
        "two at a time, one thread each": median([timed_call(at_once) for _ in range(rounds)]),
    }
    print_table(
        "Four evaluations on two cores",
        ("way", "seconds"),
        [(way, f"{elapsed:.2f}") for way, elapsed in seconds.items()],
    )
    return seconds


def memory(rows: Rows) -> dict[str, float]:
    labels = np.unique(rows.y_train, return_inverse=True)[1].astype(np.uint8)
    alone = Forest(rows.X_train, labels, int(labels.max()) + 1, n_trees=1)
    per_cell = alone.n_bytes / rows.X_train.size
    print(f"binned training rows: {per_cell:.3f} bytes a cell")
    return {"bytes_per_cell": per_cell}


def count_updates(rows: Rows, subset: NDArray[np.int64], n_trees: int) -> float:
    """Rows of all inner nodes of scikit-learn's forest times the columns that a node draws."""
    few = min(n_trees, 6)
    forest = RandomForestClassifier(few, random_state=0, n_jobs=2)
    forest.fit(rows.X_train[:, subset], rows.y_train)
    visited = sum(
        tree.tree_.n_node_samples[tree.tree_.children_left >= 0].sum()
        for tree in forest.estimators_
    )
    return float(visited) * int(len(subset) ** 0.5) * n_trees / few


def floor_ns(rows: Rows) -> float:
    """Nanoseconds to read one byte of a column through an index, by NumPy's `take`."""
    column = np.zeros(len(rows.X_train), dtype=np.uint8)
    order = np.random.default_rng(0).permutation(len(column)).astype(np.intp)
    out = np.empty_like(column)
    elapsed = min(timed_call(lambda: column.take(order, out=out, mode="clip")) for _ in range(200))
    return 1e9 * elapsed / len(column)


def half(rows: Rows, seed: int = 0) -> NDArray[np.int64]:
    n_features = rows.X_train.shape[1]
    chosen = np.random.default_rng(seed).choice(n_features, n_features // 2, replace=False)
    return np.sort(chosen).astype(np.int64)


def evenly(n_features: int, k: int) -> NDArray[np.int64]:
    return np.linspace(0, n_features - 1, k).astype(np.int64)


def timed(fitness: ForestFitness, subset: NDArray[np.int64]) -> tuple[float, float]:
    start = time.perf_counter()
    score = fitness(subset)
    return time.perf_counter() - start, score


def timed_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
