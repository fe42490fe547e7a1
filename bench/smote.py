"""What balancing costs: `balance_classes` beside imbalanced-learn's default, and what differs.

    python bench/smote.py --data fer2013.csv --weights mobilenet.h5 --out bench/results/smote.json

Each side runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import hashlib
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from common import arguments, load_rows, median, print_table, write_results
from imblearn.over_sampling import SMOTE

from fer_fast.balance.smote import balance_classes

if TYPE_CHECKING:
    from argparse import Namespace


def main() -> None:
    options = arguments(__doc__)
    rounds = 1 if options.quick else 3
    if options.quick and options.rows is None:
        options.rows = 4_000
    sides = ("imbalanced-learn", "fer-fast")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    peaks = dict.fromkeys(sides, 0.0)
    made: dict[str, Balanced] = {}
    for _ in range(rounds):
        for side in sides:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                made[side] = pool.submit(balance, side, options).result()
            seconds[side].append(made[side].seconds)
            peaks[side] = made[side].peak_gb
    theirs, ours = made.values()
    results = {
        "rows_before": ours.rows_before,
        "rows_after": ours.rows_after,
        "features": ours.features,
        "seconds": seconds,
        "peak_gb": peaks,
        "ratio": median(seconds["imbalanced-learn"]) / median(seconds["fer-fast"]),
        "identical": theirs.digest == ours.digest,
    }
    print_table(
        f"SMOTE: {ours.rows_before:,} to {ours.rows_after:,} rows of {ours.features:,} features",
        ("by", "seconds", "peak memory (GB)"),
        [(side, f"{median(seconds[side]):.1f}", f"{peaks[side]:.2f}") for side in sides],
    )
    same = "identical" if results["identical"] else "not identical"
    print(f"fer-fast is {results['ratio']:.1f} times as fast; the results are {same}")
    write_results(options, results)


@dataclass(frozen=True)
class Balanced:
    """What one side made."""

    seconds: float
    peak_gb: float
    rows_before: int
    rows_after: int
    features: int
    digest: str


def balance(side: str, options: Namespace) -> Balanced:
    rows = load_rows(options)
    start = time.perf_counter()
    if side == "fer-fast":
        X, y = balance_classes(rows.X_train, rows.y_train)
    else:
        X, y = SMOTE(random_state=0).fit_resample(rows.X_train, rows.y_train)
    elapsed = time.perf_counter() - start
    digest = hashlib.sha256(X.data)
    digest.update(y.data)
    return Balanced(
        seconds=elapsed,
        peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        rows_before=len(rows.y_train),
        rows_after=len(y),
        features=X.shape[1],
        digest=digest.hexdigest(),
    )


if __name__ == "__main__":
    main()
