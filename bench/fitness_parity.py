"""How well the native forest's judgement of subsets agrees with scikit-learn's.

    python bench/fitness_parity.py --data fer2013.csv --weights mobilenet.h5 --out parity.json

On real features, 60 subsets of mixed sizes are scored by both engines with 3 forest seeds each.
Spearman's rank correlation between the engines' mean scores stands beside scikit-learn's with
itself, between means over two disjoint trios of seeds: no engine can agree better with another
forest than with its own next draw. Size alone orders most of the subsets, so both stand for the
larger half again, where scores lie closer together. Cheaper judgements (fewer trees, fewer rows,
bounded depth) are rated by their rank correlation with the full native mean and their cost.

On four public data sets, accuracies over 10 splits stand beside the standard error of
scikit-learn's.

With --full-size-seeds N none of this runs: instead N forests of each engine are fitted on all
Training rows and one subset, half of the features, and the engines' mean scores are compared.

    python bench/fitness_parity.py --data … --weights … --full-size-seeds 10 --out full-size.json
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from common import Rows, argument_parser, load_rows, print_table, write_results
from fitness import half
from scipy.stats import spearmanr, ttest_ind
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

from fer_fast import ForestFitness

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHEAPER: dict[str, dict[str, Any]] = {
    "30 trees": {"n_estimators": 30},
    "half the draws": {"max_samples": 0.5},
    "a fifth of the draws": {"max_samples": 0.2},
    "depth 12": {"max_depth": 12},
    "depth 8": {"max_depth": 8},
    "leaves of 5 rows": {"min_samples_leaf": 5},
}


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--full-size-seeds",
        type=int,
        metavar="N",
        help="only compare the engines on all rows and one subset, with N seeds each",
    )
    parser.add_argument("--no-public", action="store_true", help="leave out the public data sets")
    options = parser.parse_args()
    rows = load_rows(options)
    n_subsets, trees, train_rows = (12, 30, 3_000) if options.quick else (60, 90, None)
    if options.quick:
        rows = rows.first(train_rows)
    if options.full_size_seeds:
        write_results(options, full_size(rows, options.full_size_seeds, trees))
        return
    subsets = mixed_subsets(rows.X_train.shape[1], n_subsets)
    results = {
        "rows": len(rows.X_train),
        "n_trees": trees,
        "agreement": agreement(rows, subsets, trees),
        "cheaper": cheaper(rows, subsets, trees),
    }
    if not options.no_public:
        results["public"] = public(4 if options.quick else 10)
    write_results(options, results)


def mixed_subsets(n_features: int, count: int) -> list[NDArray[np.int64]]:
    """Random subsets, a third of them dense in one channel range, of sizes on a log scale."""
    rng = np.random.default_rng(0)
    sizes = np.geomspace(8, n_features, count).astype(int)
    subsets = []
    for turn, size in enumerate(sizes):
        pool = np.arange(n_features)
        if turn % 3 == 0:
            start = rng.integers(0, n_features - size + 1)
            pool = pool[start : start + size]
        chosen = rng.choice(pool, size, replace=False)
        subsets.append(np.sort(chosen).astype(np.int64))
    return subsets


def mean_scores(
    rows: Rows, subsets: list[NDArray[np.int64]], seeds: range, **params: Any
) -> tuple[NDArray[np.float64], float]:
    """Return the mean score of each subset over forest seeds, and the seconds of all."""
    fitness = ForestFitness(*rows, n_jobs=2, **params)
    scores = np.zeros(len(subsets))
    start = time.perf_counter()
    for seed in seeds:
        fitness.random_state = seed
        scores += [fitness(subset) for subset in subsets]
    return scores / len(seeds), time.perf_counter() - start


def agreement(rows: Rows, subsets: list[NDArray[np.int64]], trees: int) -> dict[str, Any]:
    scores, seconds = {}, {}
    for name, engine, seeds in (
        ("sklearn", "sklearn", range(3)),
        ("sklearn again", "sklearn", range(3, 6)),
        ("native", "native", range(3)),
        ("native again", "native", range(3, 6)),
    ):
        scores[name], seconds[name] = mean_scores(
            rows, subsets, seeds, engine=engine, n_estimators=trees
        )
    result: dict[str, Any] = compare_engines(scores)
    print_table(
        f"{len(subsets)} subsets, {len(rows.X_train):,} training rows, {trees} trees, "
        "macro-F1 averaged over 3 seeds",
        (
            *("engines", "Spearman", "Spearman, larger half of the subsets"),
            *("mean difference (points)", "SD of differences"),
        ),
        [
            (
                pair,
                f"{r['spearman']:.4f}",
                f"{r['spearman_larger_half']:.4f}",
                f"{100 * r['mean_difference']:+.3f}",
                f"{100 * r['sd_of_differences']:.3f}",
            )
            for pair, r in result.items()
        ],
    )
    result["seconds"] = seconds
    result["subset_sizes"] = [len(subset) for subset in subsets]
    result["scores"] = {name: values.tolist() for name, values in scores.items()}
    return result


def compare_engines(scores: dict[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Compare mean scores of the same subsets, which are ordered by size."""
    pairs = [
        ("native", "sklearn"),
        ("native again", "sklearn again"),
        ("sklearn", "sklearn again"),
        ("native", "native again"),
    ]
    return {
        f"{a} | {b}": {
            **rank_correlations(scores[a], scores[b]),
            "mean_difference": float(np.mean(scores[a] - scores[b])),
            "sd_of_differences": float(np.std(scores[a] - scores[b])),
        }
        for a, b in pairs
    }


def rank_correlations(a: NDArray[np.float64], b: NDArray[np.float64]) -> dict[str, float]:
    """Correlate the scores of all subsets, and those of the larger half."""
    larger = slice(len(a) // 2, None)
    return {
        "spearman": float(spearmanr(a, b).statistic),
        "spearman_larger_half": float(spearmanr(a[larger], b[larger]).statistic),
    }


def cheaper(rows: Rows, subsets: list[NDArray[np.int64]], trees: int) -> dict[str, Any]:
    """Rate cheaper judgements by one seed each against the full mean over other seeds."""
    reference, _ = mean_scores(rows, subsets, range(3, 6), n_estimators=trees)
    cases = {"full": {"n_estimators": trees}, **CHEAPER}
    result = {}
    for name, params in cases.items():
        scores, seconds = mean_scores(rows, subsets, range(1), **{"n_estimators": trees, **params})
        result[name] = {"seconds": seconds, **rank_correlations(scores, reference)}
    print_table(
        "Cheaper judgements, one seed, against the full forest's mean over three others",
        ("judgement", "seconds", "Spearman", "Spearman, larger half of the subsets"),
        [
            (
                name,
                f"{r['seconds']:.1f}",
                f"{r['spearman']:.4f}",
                f"{r['spearman_larger_half']:.4f}",
            )
            for name, r in result.items()
        ],
    )
    return result


def full_size(rows: Rows, n_seeds: int, trees: int) -> dict[str, Any]:
    """Compare the engines' scores of one subset over their own seeds, by Welch's t interval."""
    subset = half(rows)
    result: dict[str, Any] = {
        "rows": len(rows.X_train),
        "features": len(subset),
        "n_trees": trees,
        "seeds": n_seeds,
        "covers": "forest seeds; not other rows or subsets",
    }
    for engine in ("sklearn", "native"):
        fitness = ForestFitness(*rows, engine=engine, n_estimators=trees, n_jobs=2)
        result[engine] = {"accuracy": [], "f1_macro": [], "seconds": []}
        for seed in range(n_seeds):
            fitness.random_state = seed
            start = time.perf_counter()
            probabilities = fitness.predict_proba(subset)
            result[engine]["seconds"].append(time.perf_counter() - start)
            predicted = fitness.classes_[probabilities.argmax(axis=1)]
            macro = f1_score(rows.y_val, predicted, average="macro", zero_division=0)
            result[engine]["accuracy"].append(float(accuracy_score(rows.y_val, predicted)))
            result[engine]["f1_macro"].append(float(macro))
    result["native_minus_sklearn_points"] = {
        measure: welch(result["native"][measure], result["sklearn"][measure])
        for measure in ("accuracy", "f1_macro")
    }
    print_table(
        f"{len(rows.X_train):,} rows x {len(subset):,} features, {trees} trees, {n_seeds} seeds",
        ("measure", "native", "sklearn", "difference (points)", "95 % interval (Welch)"),
        [
            (
                measure,
                f"{np.mean(result['native'][measure]):.4f}",
                f"{np.mean(result['sklearn'][measure]):.4f}",
                f"{difference['mean']:+.2f}",
                f"{difference['low']:+.2f} to {difference['high']:+.2f}",
            )
            for measure, difference in result["native_minus_sklearn_points"].items()
        ],
    )
    return result


def welch(a: list[float], b: list[float]) -> dict[str, float]:
    """Return the difference of the means, in points, and its 95 % interval."""
    low, high = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    mean = float(np.mean(a) - np.mean(b))
    return {"mean": 100 * mean, "low": 100 * float(low), "high": 100 * float(high)}


def public(n_splits: int) -> dict[str, Any]:
    """Accuracy beside scikit-learn's forest on data sets that ship with it."""
    result = {}
    for load in (load_iris, load_wine, load_breast_cancer, load_digits):
        X, y = load(return_X_y=True)
        X = X.astype(np.float32)
        accuracies: dict[str, list[float]] = {"native": [], "sklearn": []}
        for seed in range(n_splits):
            X_train, X_val, y_train, y_val = train_test_split(
                X, y, test_size=0.4, stratify=y, random_state=seed
            )
            for engine, values in accuracies.items():
                fitness = ForestFitness(
                    X_train,
                    y_train,
                    X_val,
                    y_val,
                    engine=engine,
                    scoring="accuracy",
                    random_state=seed,
                )
                values.append(fitness(np.arange(X.shape[1])))
        native, reference = (np.array(accuracies[e]) for e in ("native", "sklearn"))
        standard_error = reference.std(ddof=1) / n_splits**0.5
        result[load.__name__.removeprefix("load_")] = {
            "native": float(native.mean()),
            "sklearn": float(reference.mean()),
            "standard_error": float(standard_error),
            "within": bool(abs(native.mean() - reference.mean()) <= standard_error),
        }
    print_table(
        f"Accuracy over {n_splits} splits",
        ("data set", "native", "sklearn", "standard error", "within one"),
        [
            (
                name,
                f"{r['native']:.4f}",
                f"{r['sklearn']:.4f}",
                f"{r['standard_error']:.4f}",
                "yes" if r["within"] else "no",
            )
            for name, r in result.items()
        ],
    )
    return result


if __name__ == "__main__":
    main()
