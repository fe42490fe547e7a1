"""How long a colony takes to build its subsets and to update its pheromone, the fitness being free.

Four implementations, in turn, on the same parameters: the Rust colony; its NumPy reference; a
vectorised NumPy one with the same rules; and a vectorised one that lets every ant take its greedy
features first and draw the rest at once, which is faster and follows another rule. A time is one
iteration, the median over the rounds. A NumPy one that would take longer than --limit seconds, by
its time on a single ant, is left out.

Then the exponent of the Rust colony's time against n, and the time and the peak memory of one
iteration over a million features, in a process of its own.

    python bench/colony.py [--quick] [--out bench/results/colony.json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import write_results

from fer_fast import Colony
from fer_fast.selection.reference import ReferenceColony

if TYPE_CHECKING:
    from collections.abc import Callable

FEATURES = [1_280, 5_120, 9_216, 102_400, 1_000_000]
ALPHA, BETA, RHO, XI, TAU_MIN = 1.1, 1.5, 0.2, 0.2, 0.05


class VectorisedColony:
    """NumPy as a careful user would write it: same rules, a loop over draws only.

    Greedy runs between two draws are slices of a sorted order; a draw is a binary search in the
    running sum of the weights, repeated while it hits a visited feature, and that sum is refreshed
    once visited features hold half of it.
    """

    def __init__(self, eta: np.ndarray, n_ants: int, q0: float, size: int) -> None:
        self.n_ants, self.q0, self.size = n_ants, q0, size
        self.powers = eta**BETA
        self.tau = np.ones(len(eta))
        self.rng = np.random.default_rng(0)

    def iterate(self) -> None:
        """Build and update once."""
        subsets = [self._build() for _ in range(self.n_ants)]
        self.tau *= 1 - RHO
        self.tau[subsets[0]] += RHO
        np.clip(self.tau, TAU_MIN, 1, out=self.tau)

    def _build(self) -> np.ndarray:
        weights = self.tau**ALPHA * self.powers
        visited = self._walk(weights)
        self.tau[visited] = (1 - XI) * self.tau[visited] + XI * TAU_MIN
        return visited

    def _walk(self, weights: np.ndarray) -> np.ndarray:
        order = np.argsort(-weights, kind="stable") if self.q0 > 0 else None
        visited = np.zeros(len(weights), dtype=bool)
        cumulative, stale, head = np.cumsum(weights), 0.0, 0
        draws = np.flatnonzero(self.rng.random(self.size) >= self.q0)
        for run in np.diff(draws, prepend=-1, append=self.size) - 1:
            while run > 0:
                # Those drawn before make the run shorter than the slice: take the rest from behind.
                ahead = order[head : head + run]
                fresh = ahead[~visited[ahead]]
                visited[fresh] = True
                stale += weights[fresh].sum()
                head += run
                run -= len(fresh)
            if visited.sum() == self.size:
                break
            if stale > cumulative[-1] / 2:
                cumulative, stale = np.cumsum(np.where(visited, 0, weights)), 0.0
            while True:
                feature = np.searchsorted(cumulative, self.rng.random() * cumulative[-1], "right")
                if not visited[feature]:
                    break
            visited[feature] = True
            stale += weights[feature]
        return np.flatnonzero(visited)


class GreedyFirstColony(VectorisedColony):
    """No loop at all: the greedy features in one slice, the draws as the largest Gumbel keys."""

    def _walk(self, weights: np.ndarray) -> np.ndarray:
        n_greedy = self.rng.binomial(self.size, self.q0)
        with np.errstate(divide="ignore"):
            keys = np.log(weights) - np.log(self.rng.exponential(size=len(weights)))
        if n_greedy:
            greedy = np.argpartition(-weights, n_greedy - 1)[:n_greedy]
            keys[greedy] = np.inf
        return np.argpartition(-keys, self.size - 1)[: self.size]


def desirability(n: int) -> np.ndarray:
    return np.clip(np.random.default_rng(n).exponential(0.25, n), 0.01, 1)


class Rust:
    """The product."""

    def __init__(self, eta: np.ndarray, n_ants: int, q0: float, size: int) -> None:
        self.colony = Colony(
            eta, n_ants=n_ants, q0=q0, min_features=size, max_features=size, seed=1
        )

    def iterate(self) -> None:
        """Build and update once."""
        self.colony.tell([1.0 for _ in self.colony.ask()])


class Reference:
    """Its reference."""

    def __init__(self, eta: np.ndarray, n_ants: int, q0: float, size: int) -> None:
        self.colony = ReferenceColony(
            eta, n_ants=n_ants, q0=q0, min_features=size, max_features=size, seed=1
        )

    def iterate(self) -> None:
        """Build and update once."""
        self.colony.tell([1.0 for _ in self.colony.ask()])


RIVALS = {
    "rust": Rust,
    "reference": Reference,
    "vectorised": VectorisedColony,
    "greedy first": GreedyFirstColony,
}


def seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare(n: int, n_ants: int, q0: float, share: float, rounds: int, limit: float) -> dict:
    """Time one iteration of every rival, taking turns."""
    size, eta = int(share * n), desirability(n)
    row = {"n": n, "ants": n_ants, "q0": q0, "share": share}
    times: dict[str, list[float]] = {}
    for name, rival in RIVALS.items():
        if name == "rust" or is_affordable(rival, eta, n_ants, q0, size, limit):
            times[name] = []
    for _ in range(rounds):
        for name, taken in times.items():
            # Each round starts anew: the second iteration of a converged colony would be cheaper.
            colony = RIVALS[name](eta, n_ants, q0, size)
            taken.append(seconds(colony.iterate))
    return row | {name: statistics.median(taken) for name, taken in times.items()}


def is_affordable(
    rival: type, eta: np.ndarray, n_ants: int, q0: float, size: int, limit: float
) -> bool:
    # A loop over each feature that an ant takes: rule it out before even one ant is built.
    per_step = 2e-6 + (6e-9 * len(eta) if rival is Reference else 4e-6)
    steps = size if rival is Reference else size * (1 - q0)
    if rival in (Reference, VectorisedColony) and n_ants * steps * per_step > 4 * limit:
        return False
    one = rival(eta, 1, q0, size)
    return n_ants * seconds(one.iterate) <= limit


def exponent(rows: list[dict]) -> dict:
    """Slope of log time against log n, per setting."""
    slopes = {}
    for key in {(row["ants"], row["q0"], row["share"]) for row in rows}:
        mine = [row for row in rows if (row["ants"], row["q0"], row["share"]) == key]
        if len(mine) > 2:
            x = np.log([row["n"] for row in mine])
            y = np.log([row["rust"] for row in mine])
            slopes["ants={} q0={} k/n={}".format(*key)] = float(np.polyfit(x, y, 1)[0])
    return dict(sorted(slopes.items()))


def million(n_ants: int, q0: float, share: float) -> dict:
    """One iteration over a million features, alone in a process, so that its memory is its own."""
    command = [sys.executable, __file__, "--one", str(n_ants), str(q0), str(share)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def one_million(n_ants: int, q0: float, share: float) -> dict:
    eta = desirability(1_000_000)
    before = peak_rss_mib()
    rust = Rust(eta, n_ants, q0, int(share * 1_000_000))
    # By run, since ask would hold the index arrays of all ants at once.
    taken = seconds(lambda: rust.colony.run(lambda _: 1.0, n_iterations=1))
    return {
        "ants": n_ants,
        "q0": q0,
        "share": share,
        "seconds": taken,
        "peak_rss_mib": peak_rss_mib(),
        "rss_before_mib": before,
    }


def peak_rss_mib() -> float:
    # getrusage's ru_maxrss would count what the parent held when it started this process.
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def cell(row: dict, name: str) -> str:
    if name not in row:
        return f"{'over limit':>22}"
    ratio = "" if name == "rust" else f" ({row[name] / row['rust']:,.0f}x)"
    return f"{row[name] * 1e3:,.2f} ms{ratio}".rjust(22)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller settings")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--limit", type=float, default=None, help="seconds per rival and round")
    parser.add_argument("--no-million", action="store_true", help="leave out a million features")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", nargs=3, type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        n_ants, q0, share = arguments.one
        print(json.dumps(one_million(int(n_ants), q0, share)))
        return
    sizes = FEATURES[:3] if arguments.quick else FEATURES
    ants = [20] if arguments.quick else [20, 200]
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    limit = arguments.limit or (1.0 if arguments.quick else 20.0)
    rows = []
    print("  ants   q0  k/n         n" + "".join(f"{name:>22}" for name in RIVALS))
    for n_ants in ants:
        for q0 in [0.9, 0.0]:
            for share in [0.1, 0.5]:
                for n in sizes:
                    row = compare(n, n_ants, q0, share, rounds, limit)
                    rows.append(row)
                    head = f"{n_ants:>6} {q0:>4} {share:>4} {n:>9,}"
                    print(head + "".join(cell(row, name) for name in RIVALS), flush=True)
    slopes = exponent(rows)
    for setting, slope in slopes.items():
        print(f"time of the Rust colony grows as n^{slope:.2f} at {setting}")
    settings = (
        [(20, 0.9, 0.1)]
        if arguments.quick
        else [(200, q0, share) for q0 in (0.9, 0.0) for share in (0.1, 0.5)]
    )
    millions = [] if arguments.no_million else [million(*setting) for setting in settings]
    for row in millions:
        print(
            "1,000,000 features, {ants} ants, q0={q0}, k/n={share}: {seconds:.2f} s, "
            "peak {peak_rss_mib:.0f} MiB ({rss_before_mib:.0f} before)".format(**row)
        )
    write_results(
        arguments,
        {
            "rounds": rounds,
            "iteration_seconds": rows,
            "exponents": slopes,
            "million": millions,
        },
    )


if __name__ == "__main__":
    main()
