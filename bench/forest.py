"""What a forest costs to fit and to predict: the native one beside others.

    python bench/forest.py --data fer2013.csv --weights WEIGHTS.h5 --out bench/results/forest.json

Four questions, on real features:

1. fit: all branches grown, 90 trees, two threads, one library after the other in every round, so
   that ratios are those within a round; beside the seconds those of all processors together, which
   other work on the machine changes less;
2. predict: the rows of the public test split, the same forests, and the native one in ONNX Runtime;
3. growth: seconds of the native forest over rows, features and trees, and its parts;
4. size: bytes a node in memory, in a pickle and as ONNX.

`--large` fits 50,505 rows of all features, what SMOTE makes of the training split, here the rows
and a noisy copy. LightGBM and XGBoost grow a tree a class and count every column in every node,
which takes them so many times as long that they are compared on few rows and trees (`--rows`,
`--trees`); `--only` names the libraries to compare. A library that is not installed is left
out and named.
"""

from __future__ import annotations

import importlib
import pickle
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from common import (
    Rows,
    argument_parser,
    load_rows,
    median,
    print_growth,
    print_table,
    write_results,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

N_JOBS = 2
LARGE_ROWS = 50_505

# The package of each library, its module and its class.
LIBRARIES = {
    "fer-fast": ("fer-fast", "fer_fast", "HistForestClassifier"),
    "scikit-learn": ("scikit-learn", "sklearn.ensemble", "RandomForestClassifier"),
    "scikit-learn-intelex": (
        "scikit-learn-intelex",
        "sklearnex.ensemble",
        "RandomForestClassifier",
    ),
    "LightGBM": ("lightgbm", "lightgbm", "LGBMClassifier"),
    "XGBoost": ("xgboost", "xgboost", "XGBRFClassifier"),
}


def main() -> None:
    options = arguments()
    n_trees = options.trees or (10 if options.quick else 90)
    rounds = options.rounds or (1 if options.quick else 3)
    rows = load_rows(options)
    if options.large:
        rows = rows.doubled().first(LARGE_ROWS)
    else:
        half = np.arange(0, rows.X_train.shape[1], 2)
        rows = rows._replace(X_train=rows.X_train[:, half], X_val=rows.X_val[:, half])
    if options.quick:
        rows = rows.first(4_000)
    rows = rows._replace(
        X_train=np.ascontiguousarray(rows.X_train), X_val=np.ascontiguousarray(rows.X_val)
    )
    found = installed(options.only)
    results: dict[str, Any] = {
        "quick": options.quick,
        "rows": len(rows.X_train),
        "features": rows.X_train.shape[1],
        "n_trees": n_trees,
        "threads": N_JOBS,
        "libraries": found,
    }
    results["speed"] = speed(rows, list(found), n_trees, rounds)
    if not options.no_growth:
        results["growth"] = growth(rows, n_trees, rounds)
    results["size"] = size(rows, n_trees)
    write_results(options, results)


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--large", action="store_true", help=f"{LARGE_ROWS:,} rows, all features")
    parser.add_argument("--rounds", type=int, help="rounds of fits, 3 unless told otherwise")
    parser.add_argument("--trees", type=int, help="trees of a forest, 90 unless told otherwise")
    parser.add_argument("--no-growth", action="store_true", help="leave the third question out")
    parser.add_argument(
        "--only", nargs="+", choices=LIBRARIES, default=list(LIBRARIES), help="compare these"
    )
    return parser.parse_args()


def installed(names: list[str]) -> dict[str, str]:
    """Return the versions of those of the libraries that are installed, and name the others."""
    found = {}
    for name in names:
        package = LIBRARIES[name][0]
        for candidate in (package, f"{package}-cpu"):
            try:
                found[name] = version(candidate)
            except PackageNotFoundError:
                continue
        if name not in found:
            print(f"{name} is not installed: left out")
    return found


def forest(
    library: str, n_trees: int, n_features: int, seed: int = 0, n_rows: int = LARGE_ROWS
) -> Any:
    """Return an unfitted forest whose trees grow all their branches, for up to `n_rows` rows."""
    _, module, name = LIBRARIES[library]
    params: dict[str, Any] = {"n_estimators": n_trees, "n_jobs": N_JOBS, "random_state": seed}
    share = n_features**-0.5
    # Two thirds of the rows without replacement stand for a bootstrap, which neither draws.
    if library == "LightGBM":
        params |= {
            "boosting_type": "rf",
            "subsample": 0.632,
            "subsample_freq": 1,
            "feature_fraction_bynode": share,
            "num_leaves": n_rows,
            # In MiB: it keeps a histogram for every leaf that there may be, else.
            "histogram_pool_size": 512,
            "min_child_samples": 1,
            "min_child_weight": 0,
            "verbosity": -1,
        }
    elif library == "XGBoost":
        params |= {
            "subsample": 0.632,
            "colsample_bynode": share,
            "max_depth": 0,
            "min_child_weight": 0,
            "reg_lambda": 0,
            "tree_method": "hist",
        }
    return getattr(importlib.import_module(module), name)(**params)


def speed(rows: Rows, libraries: list[str], n_trees: int, rounds: int) -> dict[str, Any]:
    """Fit and predict with every library, one after the other in every round."""
    n_features = rows.X_train.shape[1]
    measured: dict[str, dict[str, Any]] = {
        name: {"fit": [], "fit_cpu": [], "predict": [], "accuracy": []} for name in libraries
    }
    for seed in range(rounds):
        for name, result in measured.items():
            estimator = forest(name, n_trees, n_features, seed, len(rows.X_train))
            before = time.process_time()
            result["fit"].append(seconds(lambda e=estimator: e.fit(rows.X_train, rows.y_train)))
            result["fit_cpu"].append(time.process_time() - before)
            result["predict"].append(
                min(seconds(lambda e=estimator: e.predict_proba(rows.X_val)) for _ in range(3))
            )
            result["accuracy"].append(float(estimator.score(rows.X_val, rows.y_val)))
    if "fer-fast" in measured:
        measured["fer-fast, ONNX Runtime"] = {"predict": in_onnx_runtime(rows, n_trees, rounds)}
    report(rows, measured, n_trees)
    return measured


def in_onnx_runtime(rows: Rows, n_trees: int, rounds: int) -> list[float]:
    import onnxruntime

    from fer_fast.graph.trees import to_onnx

    fitted = forest("fer-fast", n_trees, rows.X_train.shape[1]).fit(rows.X_train, rows.y_train)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = N_JOBS
    session = onnxruntime.InferenceSession(
        to_onnx(fitted).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    X = rows.X_val.astype(np.float32)
    return [seconds(lambda: session.run(None, {"features": X})) for _ in range(3 * rounds)]


def report(rows: Rows, measured: dict[str, dict[str, Any]], n_trees: int) -> None:
    def cell(result: dict[str, Any], measure: str, form: str) -> str:
        return format(median(result[measure]), form) if measure in result else ""

    def times(result: dict[str, Any]) -> str:
        if "scikit-learn" not in measured or "fit" not in result:
            return ""
        others = measured["scikit-learn"]["fit"]
        ratios = [other / own for other, own in zip(others, result["fit"], strict=True)]
        return f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"

    n_rows, n_features = rows.X_train.shape
    print_table(
        f"{n_rows:,} x {n_features:,}, {n_trees} trees, {N_JOBS} threads; medians",
        (
            "library",
            "fit (s)",
            "times scikit-learn's, by round",
            "CPU (s)",
            "predict (s)",
            "accuracy",
        ),
        [
            (
                name,
                cell(result, "fit", ".2f"),
                times(result),
                cell(result, "fit_cpu", ".2f"),
                cell(result, "predict", ".3f"),
                cell(result, "accuracy", ".4f"),
            )
            for name, result in measured.items()
        ],
    )


def growth(rows: Rows, n_trees: int, rounds: int) -> list[dict[str, Any]]:
    """How the native forest's time grows along each axis, the others held."""
    n_rows, n_features = rows.X_train.shape
    cases = [
        *((rows.first(n_rows // part), n_features, n_trees) for part in (8, 4, 2, 1)),
        *((rows, n_features // part, n_trees) for part in (8, 4, 2)),
        *((rows, n_features, max(1, n_trees // part)) for part in (9, 3)),
    ]
    measured = []
    for part, k, trees in cases:
        X = np.ascontiguousarray(part.X_train[:, :k])
        estimator = forest("fer-fast", trees, k)
        elapsed = median(
            [seconds(lambda X=X, e=estimator, y=part.y_train: e.fit(X, y)) for _ in range(rounds)]
        )
        measured.append({"rows": len(X), "features": k, "trees": trees, "seconds": elapsed})
    print_growth(f"Growth of the native forest's fit, {N_JOBS} threads", measured)
    return measured


def size(rows: Rows, n_trees: int) -> dict[str, Any]:
    """Bytes that a fitted forest takes."""
    from fer_fast.graph.trees import to_onnx

    fitted = forest("fer-fast", n_trees, rows.X_train.shape[1]).fit(rows.X_train, rows.y_train)
    trees = fitted._trees
    result = {
        "nodes": trees.n_nodes,
        "memory": trees.n_bytes,
        "pickle": len(pickle.dumps(fitted)),
        "onnx": to_onnx(fitted).ByteSize(),
    }
    print_table(
        f"Bytes of {trees.n_nodes:,} nodes",
        ("where", "bytes", "bytes a node"),
        [
            (where, f"{result[where]:,}", f"{result[where] / trees.n_nodes:.2f}")
            for where in ("memory", "pickle", "onnx")
        ],
    )
    return result


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
