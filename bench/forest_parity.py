"""Is a forest of ours as accurate as scikit-learn's: final forests, side by side.

    python bench/forest_parity.py --data DATA --weights WEIGHTS --out FILE.json

The difference of accuracies, native minus scikit-learn, in points, with its 95 % interval:

- on FER-2013's features, or any others that `--features` names: all training rows, scored on the
  rows of both test splits; the seeds are those of the forests, so the interval is Welch's;
- on public and made data sets: every seed is another split, the same for both forests, so the
  interval is that of paired differences. Public ones are split in half; of made ones, which every
  seed makes anew, 4,000 rows are scored.

Without `--data` and `--features` the public and made data sets alone are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from common import argument_parser, interval, load_features, print_table, write_results
from scipy.stats import ttest_ind
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from fer_fast import HistForestClassifier

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from numpy.typing import NDArray

N_JOBS = 2
KINDS = {"native": HistForestClassifier, "sklearn": RandomForestClassifier}


SCORED = 4_000


class Data(NamedTuple):
    """Rows and their labels, and how many of them are to be fitted."""

    X: NDArray[np.float32]
    y: NDArray[np.integer]
    n_fitted: int = 0


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, help="seeds, 20 unless told otherwise")
    parser.add_argument("--trees", type=int, help="trees of a forest, 90 unless told otherwise")
    parser.add_argument(
        "--sets",
        nargs="*",
        choices=DATA_SETS,
        metavar="NAME",
        default=list(DATA_SETS),
        help="public and made ones, all unless told otherwise; without a name, none",
    )
    options = parser.parse_args()
    n_seeds = options.seeds or (3 if options.quick else 20)
    n_trees = options.trees or (10 if options.quick else 90)
    results: dict[str, Any] = {"n_trees": n_trees, "seeds": n_seeds}
    if options.data is not None or options.features is not None:
        results["real"] = real(options, n_seeds, n_trees)
    if options.sets:
        results["sets"] = sets(options.sets, n_seeds, n_trees)
    write_results(options, results)


def real(options: argparse.Namespace, n_seeds: int, n_trees: int) -> dict[str, Any]:
    """Compare forests of their own seeds on the same rows."""
    X, labels, splits = load_features(options)
    train, test = splits == 0, splits > 0
    fit, scored = Data(X[train], labels[train]), Data(X[test], labels[test])
    n_rows = 2_000 if options.quick else options.rows
    fit = Data(fit.X[:n_rows], fit.y[:n_rows])
    accuracies = {
        kind: [accuracy(kind, n_trees, seed, fit, scored) for seed in range(n_seeds)]
        for kind in KINDS
    }
    low, high = ttest_ind(
        accuracies["native"], accuracies["sklearn"], equal_var=False
    ).confidence_interval(0.95)
    means = {kind: float(np.mean(values)) for kind, values in accuracies.items()}
    difference = 100 * (means["native"] - means["sklearn"])
    n_rows, n_features = fit.X.shape
    print_table(
        f"{n_rows:,} rows x {n_features:,} features, {len(scored.X):,} scored, {n_seeds} seeds",
        ("native", "sklearn", "difference (points)", "95 % interval (Welch)"),
        [
            (
                f"{means['native']:.4f}",
                f"{means['sklearn']:.4f}",
                f"{difference:+.2f}",
                f"{100 * low:+.2f} to {100 * high:+.2f}",
            )
        ],
    )
    return {
        "rows": n_rows,
        "features": n_features,
        "scored": len(scored.X),
        "accuracies": accuracies,
        "difference": difference,
        "low": 100 * float(low),
        "high": 100 * float(high),
    }


def sets(names: list[str], n_seeds: int, n_trees: int) -> dict[str, Any]:
    """Compare forests on the same splits of public and made data sets."""
    measured = {}
    for name in names:
        make = DATA_SETS[name]
        accuracies: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for seed in range(n_seeds):
            data = make(seed)
            X, X_scored, y, y_scored = train_test_split(
                data.X, data.y, train_size=data.n_fitted, stratify=data.y, random_state=seed
            )
            for kind, values in accuracies.items():
                values.append(accuracy(kind, n_trees, seed, Data(X, y), Data(X_scored, y_scored)))
        differences = 100 * (np.array(accuracies["native"]) - np.array(accuracies["sklearn"]))
        mean, half = interval(differences.tolist())
        measured[name] = {
            "rows": data.n_fitted,
            "features": data.X.shape[1],
            "classes": len(np.unique(data.y)),
            "accuracies": accuracies,
            "difference": mean,
            "low": mean - half,
            "high": mean + half,
        }
    print_table(
        f"Other data sets, {n_trees} trees, {n_seeds} splits",
        ("data set", "rows", "features", "classes", "native", "sklearn", "difference", "95 %"),
        [
            (
                name,
                f"{r['rows']:,}",
                f"{r['features']:,}",
                str(r["classes"]),
                *(f"{np.mean(r['accuracies'][kind]):.4f}" for kind in KINDS),
                f"{r['difference']:+.2f}",
                f"{r['low']:+.2f} to {r['high']:+.2f}",
            )
            for name, r in measured.items()
        ],
    )
    return measured


def accuracy(kind: str, n_trees: int, seed: int, fit: Data, scored: Data) -> float:
    forest = KINDS[kind](n_trees, random_state=seed, n_jobs=N_JOBS).fit(fit.X, fit.y)
    return float(forest.score(scored.X, scored.y))


def shipped(load: Callable[..., Any]) -> Callable[[int], Data]:
    """Return a data set of scikit-learn's, the same for every seed."""

    def make(seed: int) -> Data:  # noqa: ARG001 - the splits differ
        X, y = load(return_X_y=True)
        return Data(X.astype(np.float32), y, len(y) // 2)

    return make


def thirds_of_diabetes(seed: int) -> Data:
    data = shipped(load_diabetes)(seed)
    return data._replace(y=np.digitize(data.y, np.quantile(data.y, [1 / 3, 2 / 3])))


def made(n_fitted: int, n_features: int, **params: Any) -> Callable[[int], Data]:
    """Return a made data set, another for every seed."""

    def make(seed: int) -> Data:
        X, y = make_classification(n_fitted + SCORED, n_features, random_state=seed, **params)
        return Data(X.astype(np.float32), y, n_fitted)

    return make


def whole_numbers(seed: int) -> Data:
    data = made(1_500, 30, n_informative=8, n_classes=4, flip_y=0.1)(seed)
    return data._replace(X=np.round(data.X))


def mostly_constant(seed: int) -> Data:
    data = made(800, 20, n_informative=6, n_classes=3)(seed)
    constant = np.full((len(data.X), 180), 3, np.float32)
    return data._replace(X=np.hstack([data.X, constant]))


def behind_a_rectifier(seed: int) -> Data:
    """Return columns that are mostly zero, as a network's features are."""
    data = made(1_500, 300, n_informative=40, n_classes=5, class_sep=2.0)(seed)
    return data._replace(X=np.maximum(data.X - 0.8 * data.X.std(axis=0), 0))


def partly_missing(seed: int) -> Data:
    data = made(1_500, 40, n_informative=10, n_classes=3, flip_y=0.1)(seed)
    data.X[np.random.default_rng(seed).random(data.X.shape) < 0.15] = np.nan
    return data


DATA_SETS: dict[str, Callable[[int], Data]] = {
    "iris": shipped(load_iris),
    "wine": shipped(load_wine),
    "breast cancer": shipped(load_breast_cancer),
    "digits": shipped(load_digits),
    "diabetes, thirds": thirds_of_diabetes,
    "wide": made(400, 2_000, n_informative=40, n_classes=3, class_sep=2.0),
    "few rows": made(60, 40, n_informative=8, n_classes=3),
    "many rows": made(12_000, 20, n_informative=12, n_classes=6, n_clusters_per_class=3),
    "many classes": made(
        4_000, 40, n_informative=20, n_classes=40, n_clusters_per_class=1, class_sep=2.0
    ),
    "imbalanced": made(2_000, 30, n_informative=8, n_classes=3, weights=[0.9, 0.07, 0.03]),
    "whole numbers": whole_numbers,
    "mostly constant": mostly_constant,
    "behind a rectifier": behind_a_rectifier,
    "partly missing": partly_missing,
}


if __name__ == "__main__":
    main()
