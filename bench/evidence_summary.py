"""The tables of `evidence.py`, from the choices that it keeps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from common import interval
from scipy.stats import ttest_1samp

ANTS = "ants"
"""The method that the others are held against."""

Runs = list[dict[str, Any]]

HEAD = "chosen by", "accuracy, %", "ants minus it, points", "rows", "Holm's p", "Kuncheva", "s"
ORDER = (
    ANTS,
    "ants, three times the forests",
    "ants, the paper's numbers",
    "ants, best subset deposited, F",
    "ants, then swaps",
    "five colonies' consensus",
    "credit elimination",
    "elimination by gain",
    "elimination by gain, three times the columns a cut",
    "elimination by importances",
    "importances",
    "importances of 10 forests",
    "Boruta's ranking",
    "mRMR",
    "mutual information",
    "k best F",
    "best of 60 random",
    "random",
    "all",
    "flat",
    "oob_gain",
    "f_classif",
)
ONE_PASS = {
    "credit elimination",
    "elimination by gain",
    "elimination by gain, three times the columns a cut",
    "elimination by importances",
    "importances",
    "importances of 10 forests",
    "Boruta's ranking",
    "mRMR",
    "mutual information",
    "k best F",
}
TITLES = {
    "equal": "{k:,} features: accuracy on Training rows that no search saw",
    "paper": "The paper's setting, on 5,000 rows and SMOTE's: accuracy on the other Training rows",
    "paper, 10,000 rows": "The same on 10,000 rows",
    "paper, all rows": "The same on all Training rows: accuracy on both test splits' own rows",
    "wide": "{k:,} of 12,288 features: accuracy on Training rows that no search saw",
    "best": "{k:,} of the 128 features of a dense head: accuracy on PrivateTest's own rows",
    "hints": "{k:,} features, the paper's numbers, by what the first trail is",
}


def show(runs: Runs) -> None:
    """Print a table, in Markdown, for each size of each part."""
    comparisons = list(compare(runs))
    holm(comparisons)
    by_key = {(c["part"], c["k"], c["method"]): c for c in comparisons}
    for part, k in dict.fromkeys((run["part"], run["k"]) for run in runs if run["method"] != "all"):
        # All features are one choice, to be held against every size.
        own = [run for run in runs if run["part"] == part and (run["k"] == k or is_all(run))]
        print(f"\n{TITLES[part].format(k=k)}\n")
        print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
        for method in sorted({run["method"] for run in own}, key=ORDER.index):
            of_method = [run for run in own if run["method"] == method]
            compared = by_key.get((part, k, method))
            taken = seconds([r for r in runs if (r["part"], r["method"]) == (part, method)], k)
            print(f"| {' | '.join(cells(method, of_method, compared, taken))} |")
    print(f"\n{len(comparisons)} comparisons.")


def seconds(runs: Runs, k: int) -> float:
    """Return what a method takes for `k` features; one pass of some of them serves every size."""
    if runs[0]["method"] not in ONE_PASS:
        return float(np.mean([run["seconds"] for run in runs if run["k"] == k or is_all(run)]))
    of_seed: dict[int, float] = {}
    for run in runs:
        of_seed[run["seed"]] = max(run["seconds"], of_seed.get(run["seed"], 0.0))
    return float(np.mean(list(of_seed.values())))


def cells(method: str, runs: Runs, compared: dict[str, Any] | None, taken: float) -> list[str]:
    accuracy, half = interval([100 * run["accuracy"] for run in runs])
    said = ["", "", ""]
    if compared is not None:
        said = [
            f"{compared['gain']:+.2f} ± {compared['half']:.2f}".replace("-", "−"),
            "" if is_all(runs[0]) else f"± {compared['rows']:.2f}",
            f"{compared['holm']:.3f}",
        ]
    if isinstance(runs[0]["subset"], list) and runs[0]["k"] == 0:
        method = f"{method}, k = {', '.join(str(len(run['subset'])) for run in runs)}"
    subsets = [run["subset"] for run in runs if isinstance(run["subset"], list)]
    alike = kuncheva(subsets, runs[0]["n_features"])
    return [
        method,
        f"{accuracy:.2f} ± {half:.2f}",
        *said,
        "" if np.isnan(alike) else f"{alike:.2f}".replace("-", "−"),
        f"{taken:.0f}",
    ]


def compare(runs: Runs) -> Iterator[dict[str, Any]]:
    """Yield what the ants gain over each method, within a seed, in points."""
    for part, k in dict.fromkeys((run["part"], run["k"]) for run in runs if is_ants(run)):
        ants = {
            run["seed"]: run["accuracy"]
            for run in runs
            if is_ants(run) and (run["part"], run["k"]) == (part, k)
        }
        for method in dict.fromkeys(run["method"] for run in runs if not is_ants(run)):
            others = [
                run
                for run in runs
                if (run["part"], run["method"]) == (part, method)
                and (run["k"] == k or is_all(run))
                and run["seed"] in ants
            ]
            pairs = [100 * (ants[run["seed"]] - run["accuracy"]) for run in others]
            if len(pairs) < 2:
                continue
            gain, half = interval(pairs)
            yield {
                "part": part,
                "k": k,
                "method": method,
                "gain": gain,
                "half": half,
                "rows": 196 * float(np.mean([run["row_error"] for run in others])),
                "p": float(ttest_1samp(pairs, 0).pvalue),
            }


def is_ants(run: dict[str, Any]) -> bool:
    return bool(run["method"] == ANTS)


def is_all(run: dict[str, Any]) -> bool:
    return bool(run["method"] == "all")


def holm(comparisons: list[dict[str, Any]]) -> None:
    """Add the p-values as Holm corrects them for all the comparisons."""
    worst, n = 0.0, len(comparisons)
    for rank, one in enumerate(sorted(comparisons, key=lambda one: one["p"])):
        worst = max(worst, min(1.0, (n - rank) * one["p"]))
        one["holm"] = worst


def kuncheva(subsets: list[list[int]], n: int) -> float:
    """Return the mean over pairs of the overlap of `n` beyond chance, over the most it can be."""
    found = []
    for a, b in itertools.combinations(map(set, subsets), 2):
        chance, most = len(a) * len(b) / n, min(len(a), len(b))
        found.append((len(a & b) - chance) / (most - chance))
    return float(np.mean(found)) if found else float("nan")
