"""Compare the ant colony with other feature selectors around the same random forest.

Every method gets the same matrix, the same forest, the same training and validation rows, and the
same budget of forest fits; the rows it is scored on are untouched until it has chosen. A method
that wants to be told how many features to keep gets the number that is best on the validation rows
within the budget, or the largest that the budget allows; one that has no use for validation rows
may fit on them too. The planted matrix has 15 informative columns and 15 combinations of them among
200. Everything runs on one thread. *After F* a method chooses among the quarter of the columns of
the greatest F alone: what the colony is told by its heuristic. *Its own judge* is the colony that
credits features by its native forests, out of bag on the rows of both kinds.

Overhead is the time of a method beyond the forest's own fit, predict and score, per forest fit.
``check_estimator`` is scikit-learn's suite, run around a small estimator.

The peers are optional: one that is absent is left out with a word. mafese wants an environment of
its own, since it pins what the others must not have; the others go into a second one:

    python -m venv peers && peers/bin/pip install scikit-learn==1.9.1 zoofs==0.1.26 \
        Boruta==0.4.3 sklearn-genetic-opt==0.12.0
    python -m venv mafese && mafese/bin/pip install scikit-learn==1.9.1 mafese==1.0.0 \
        'plotly<6' kaleido==0.2.1

    python bench/peers.py --out bench/results/peers.json \
        --python zoofs=peers/bin/python --python boruta=peers/bin/python \
        --python sklearn-genetic-opt=peers/bin/python --python mafese=mafese/bin/python

``--quick`` takes a fifth of the budget and one repetition.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from common import write_results
from peer_methods import AFTER_FILTER, METHODS, Ledger, Method, load_problem


def measure(method: Method, matrix: str, budget: int, seed: int) -> dict[str, float]:
    """Let a method select once; return what it cost and what it is worth on untouched rows."""
    problem = load_problem(matrix, budget, seed)
    import_module(method.module)
    start = time.perf_counter()
    subset = method.select(problem)
    wall = time.perf_counter() - start
    fits, inside = Ledger.fits, Ledger.seconds
    final = problem.forest().fit(problem.X[:, subset], problem.y)
    return {
        "fits": fits,
        # Whose judge is not the common forest cannot be told from it.
        "overhead_ms": 1000 * (wall - inside) / fits if inside else float("nan"),
        "fit_ms": 1000 * inside / fits if fits else float("nan"),
        "accuracy": final.score(problem.X_test[:, subset], problem.y_test),
        "kept": len(subset),
    }


def verdict(method: Method) -> dict[str, Any]:
    """Run scikit-learn's checks; return "yes" or why not, and the checks that failed."""
    from sklearn.base import BaseEstimator
    from sklearn.utils.estimator_checks import check_estimator

    if method.checked is None:
        return {"check_estimator": "-"}
    estimator = method.checked()
    if not isinstance(estimator, BaseEstimator):
        return {"check_estimator": "no: not an estimator"}
    try:
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    except Exception as error:
        return {"check_estimator": "no: it cannot start", "failed_checks": str(error)}
    run = [result for result in results if result["status"] != "skipped"]
    failed = [result["check_name"] for result in run if result["status"] != "passed"]
    outcome = f"no: {len(failed)} of {len(run)} fail" if failed else "yes"
    return {"check_estimator": outcome, "failed_checks": failed}


def work(name: str, matrix: str, budget: int, seed: int) -> dict[str, Any]:
    """Do what one child process is for: a measurement, or the checks where `matrix` is empty."""
    warnings.simplefilter("ignore")
    method = METHODS[name]
    try:
        if matrix:
            return measure(method, matrix, budget, seed)
        import_module(method.module)
        return {
            "version": version(method.package),
            "scikit-learn": version("scikit-learn"),
            **verdict(method),
        }
    except ImportError as error:
        return {"absent": str(error)}


def in_child(
    python: str, name: str, matrix: str = "", budget: int = 0, seed: int = 0
) -> dict[str, Any]:
    """Run `work` in a process of its own; what goes wrong there is a result too."""
    task = json.dumps([name, matrix, budget, seed])
    command = [python, __file__, "--work", task]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=900, env=os.environ | threads
        )
    except subprocess.TimeoutExpired:
        return {"failed": "not done after 15 minutes"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def summary(name: str, facts: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    trouble = facts.get("absent") or facts.get("failed") or runs[0].get("failed")
    if trouble:
        return f"| {name} | {trouble} ||||||"

    def median(key: str) -> float:
        return float(np.median([run[key] for run in runs]))

    accuracies = [run["accuracy"] for run in runs]
    overhead, fit = (
        "-" if np.isnan(median(key)) else f"{median(key):.2f}" for key in ("overhead_ms", "fit_ms")
    )
    return (
        f"| {name} {facts['version'] if facts['check_estimator'] != '-' else ''} "
        f"| {median('fits'):.0f} | {overhead} | {fit} "
        f"| {np.mean(accuracies):.3f} ({min(accuracies):.3f}–{max(accuracies):.3f}) "
        f"| {median('kept'):.0f} | {facts['check_estimator']} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--python", metavar="METHOD=PATH", action="append", default=[],
        help="the interpreter that has a method's package; may be repeated",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print("\n" + json.dumps(work(*options.work)))
        return

    own = dict(item.split("=", 1) for item in options.python)
    pythons = {name: own.get(name.removesuffix(AFTER_FILTER), sys.executable) for name in METHODS}
    budget, repeats = (40, 1) if options.quick else (200, 3)
    facts = {name: in_child(pythons[name], name) for name in options.methods}
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for matrix in ("planted", "digits"):
        runs[matrix] = {name: [] for name in options.methods}
        # Interleaved, so that a disturbance of the machine does not hit one method alone.
        for seed in range(repeats):
            for name in options.methods:
                runs[matrix][name].append(in_child(pythons[name], name, matrix, budget, seed))
        problem = load_problem(matrix, budget, 0)
        print(
            f"\n{matrix}: {problem.n_features} features, {len(problem.split[0])} rows to fit, "
            f"{len(problem.split[1])} to decide, {len(problem.y_test)} to report; "
            f"{budget} fits; {repeats} repetitions, medians, accuracy as mean (range)\n"
        )
        print("| method | fits | overhead, ms/fit | fit, ms | accuracy | kept | check_estimator |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name in options.methods:
            print(summary(name, facts[name], runs[matrix][name]), flush=True)
    write_results(
        options, {"budget": budget, "repetitions": repeats, "methods": facts, "runs": runs}
    )


if __name__ == "__main__":
    main()
