"""What more workers bring, what a call to one costs, and how a run grows with the faces.

``workers``: one iteration of ants, judged in this process and by 1, 2 and 4 processes of one
thread, once the rows are theirs; the overhead of an evaluation that does nothing; and the bytes of
one, as they are pickled and, in a network namespace of its own (needs root), on the wire of Dask.

``faces``: the whole of ``fer-fast pipeline`` without SMOTE on synthetic faces, drawn block by block
into a file, their features an early layer's; seconds, peak memory and the exponent of growth. The
kernel may take back pages of files, which the peak counts; what it may not is told apart. With
``--table`` the file is FER-2013's table of numbers instead of arrays.

    python bench/scale.py workers [--quick] [--out bench/results/scale-workers.json]
    python bench/scale.py faces --weights WEIGHTS [--table] [--sizes N ...] [--out ...]
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import median, print_table, write_results

from fer_fast import Colony, ForestFitness
from fer_fast.execution.cluster import cluster_workers
from fer_fast.execution.workers import Workers
from fer_fast.faces.dataset import SPLIT_NAMES, FaceDataset
from fer_fast.faces.readers.npz import read_npz
from fer_fast.selection.executors import MOST_UNDER_WAY, ExecutorFitness

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

ANTS = 16
SIZES = [62_500, 125_000, 250_000, 500_000, 1_000_000]
BLOCK = 8192
RUN = "--device cpu --balance none --ants 8 --iterations 2 --trees 10 --jobs 1 --json --quiet"


def spawned(n: int) -> Callable[[], Executor]:
    return lambda: ProcessPoolExecutor(n, get_context("spawn"))


def nothing(subset: np.ndarray) -> float:
    return float(subset[0])


class Counting(Executor):
    """An executor that counts what a call and its answer are as pickles."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.bytes: list[int] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        asked = len(pickle.dumps((function, arguments), protocol=5))
        future = self._executor.submit(function, *arguments)
        future.add_done_callback(
            lambda done: self.bytes.append(asked + len(pickle.dumps(done.result(), protocol=5)))
        )
        return future


def one_iteration(judge: Any, n_features: int, seed: int, n_jobs: int = 1) -> float:
    """Return the seconds of an iteration whose ants are all new."""
    least = n_features // 4
    colony = Colony(np.ones(n_features), n_ants=ANTS, q0=0.0, seed=seed, min_features=least)
    start = time.perf_counter()
    colony.run(judge, n_iterations=1, n_jobs=n_jobs)
    return time.perf_counter() - start


def measure_workers(options: argparse.Namespace) -> dict[str, Any]:
    n_rows, n_features = (2_000, 200) if options.quick else (20_000, 1_000)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    y = (X[:, :7] + rng.normal(size=(n_rows, 7))).argmax(axis=1)
    forest = ForestFitness(X, y, n_estimators=30, scoring="brier")
    measured: dict[str, list[float]] = {}
    for seed in range(options.rounds):
        alone = one_iteration(forest, n_features, seed)
        measured.setdefault("in this process", []).append(alone)
    for n in (1, 2, 4):
        with Workers(spawned(n)) as workers:
            judge = ExecutorFitness(forest, workers)
            # The rows are fetched once, and that is not what is measured.
            one_iteration(judge, n_features, 1000, MOST_UNDER_WAY)
            for seed in range(options.rounds):
                seconds = one_iteration(judge, n_features, seed, MOST_UNDER_WAY)
                measured.setdefault(f"{n} workers", []).append(seconds)
    alone = median(measured["in this process"])
    rows = []
    for name, seconds in measured.items():
        n = 1 if name == "in this process" else int(name.split()[0])
        rows.append((name, f"{median(seconds):.2f}", f"{alone / (n * median(seconds)):.2f}"))
    print_table(
        f"one iteration of {ANTS} ants, {n_rows:,} × {n_features:,}",
        ("judged by", "seconds", "efficiency"),
        rows,
    )
    return {
        "rows": n_rows,
        "features": n_features,
        "ants": ANTS,
        "seconds": measured,
        "overhead_s": measure_overhead(options),
        "bytes": measure_bytes(),
    }


def measure_overhead(options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds that an evaluation takes beyond its own, by what carries it."""
    n_features = 512
    overhead = {}

    def per_evaluation(judge: Any, n_jobs: int) -> float:
        one_iteration(judge, n_features, 1000, n_jobs)
        return median(
            one_iteration(judge, n_features, seed, n_jobs) / ANTS for seed in range(options.rounds)
        )

    alone = per_evaluation(nothing, 1)
    with Workers(spawned(1)) as workers:
        pool = per_evaluation(ExecutorFitness(nothing, workers), MOST_UNDER_WAY)
    with cluster_workers("local:1") as workers:
        dask = per_evaluation(ExecutorFitness(nothing, workers), MOST_UNDER_WAY)
    for name, seconds in (("process pool", pool), ("Dask", dask)):
        overhead[name] = seconds - alone
        print(f"overhead of an evaluation, {name}: {1e3 * overhead[name]:.2f} ms")
    return overhead


def measure_bytes() -> list[dict[str, Any]]:
    """Return the bytes of an evaluation and its answer, with and without credit."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2_000)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    found = []
    for credit in (None, "gain", "residual"):
        judge = ForestFitness(X, y, n_estimators=5, credit=credit)
        for k in (10, 100, 1_000):
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                counting = Counting(pool)
                with Workers(counting) as workers:
                    remote = ExecutorFitness(judge, workers)
                    for start in range(5):
                        remote(np.arange(start, start + k))
            most = 2 * 8 * k + 1000
            found.append({"credit": credit, "k": k, "bytes": counting.bytes[-1], "limit": most})
    print_table(
        "bytes of an evaluation and its answer, once the rows are there",
        ("credit", "features", "bytes", "2 × the indices and 1 kB"),
        [(str(m["credit"]), str(m["k"]), f"{m['bytes']:,}", f"{m['limit']:,}") for m in found],
    )
    return found


def sent_bytes() -> int:
    """Return what the loopback of this network namespace has sent."""
    text = Path("/proc/self/net/dev").read_text()
    return int(re.search(r"lo:((?:\s+\d+)+)", text)[1].split()[8])


def measure_wire() -> dict[str, float]:
    """Return the bytes of one evaluation on Dask's wire: client, scheduler, worker and back."""
    k, n = 500, 200
    with cluster_workers("local:1") as workers:
        remote = ExecutorFitness(nothing, workers)
        for start in range(20):
            remote(np.arange(start, start + k))
        before, start_s = sent_bytes(), time.monotonic()
        for start in range(n):
            remote(np.arange(start, start + k))
        used, seconds = sent_bytes() - before, time.monotonic() - start_s
        before = sent_bytes()
        time.sleep(10)
        idle = (sent_bytes() - before) / 10
    return {"features": k, "bytes": (used - idle * seconds) / n, "idle_bytes_per_s": idle}


def in_own_network() -> dict[str, float] | None:
    """Return what `measure_wire` finds where nobody else is on the wire; None: not permitted."""
    command = f"ip link set lo up && exec {sys.executable} {__file__} wire"
    found = subprocess.run(
        ["unshare", "--net", "sh", "-c", command], capture_output=True, text=True, timeout=250
    )
    if found.returncode != 0:
        print(f"the wire is not measured: {found.stderr.strip()[-200:]}")
        return None
    measured: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    print(
        f"on Dask's wire, all four legs: {measured['bytes']:,.0f} bytes for an evaluation of "
        f"{measured['features']:,} features; idle, {measured['idle_bytes_per_s']:,.0f} a second"
    )
    return measured


def write_faces(n: int, path: Path) -> None:
    """Draw faces block by block: noise with a mark whose place is the label's."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, n, np.uint8)
    # As in FER-2013: eight tenths to fit on, then two parts of a tenth.
    splits = np.repeat(np.arange(3, dtype=np.uint8), [n - 2 * (n // 10), n // 10, n // 10])
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, 48, 48)}
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("pixels.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, n, BLOCK):
                block = rng.integers(0, 160, (min(BLOCK, n - start), 48, 48), np.uint8)
                for label in range(7):
                    ours = labels[start : start + BLOCK] == label
                    block[ours, 6 * label : 6 * label + 6, :24] += 60
                file.write(block.data)
        for name, array in (("labels", labels), ("splits", splits)):
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, array)


def write_table(faces: FaceDataset, path: Path) -> None:
    """Write faces as FER-2013's ``.csv``."""
    numbers = [str(value) for value in range(256)]
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for pixels, label, split in zip(faces.pixels, faces.labels, faces.splits, strict=True):
            cell = " ".join(map(numbers.__getitem__, pixels.ravel().tolist()))
            file.write(f"{label},{cell},{SPLIT_NAMES[split]}\n")


class Peak:
    """The most memory that a process has, in bytes: all, and what is no page of a file."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self.whole = self.own = 0
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()

    def _look(self) -> None:
        while True:
            try:
                text = self._status.read_text()
            except OSError:
                return
            own = re.search(r"RssAnon:\s+(\d+)", text)
            whole = re.search(r"VmHWM:\s+(\d+)", text)
            if own is None or whole is None:
                return
            self.own = max(self.own, 1024 * int(own[1]))
            self.whole = max(self.whole, 1024 * int(whole[1]))
            time.sleep(0.05)


def measure_faces(options: argparse.Namespace) -> dict[str, Any]:
    measured = []
    for n in options.sizes:
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            measured.append(measure_run(n, Path(scratch), options))
        print(json.dumps(measured[-1]), flush=True)
    exponent = float("nan")
    if len(measured) > 1:
        # Processor time does not depend on who else is on the machine.
        logs = [[np.log(m[name]) for m in measured] for name in ("faces", "cpu_seconds")]
        exponent = float(np.polyfit(*logs, 1)[0])
    print_table(
        "fer-fast pipeline without SMOTE",
        ("faces", "seconds", "of CPU", "peak GB", "of it no file's", *measured[0]["timings_s"]),
        [
            (
                f"{m['faces']:,}",
                f"{m['seconds']:.0f}",
                f"{m['cpu_seconds']:.0f}",
                f"{m['peak_bytes'] / 1e9:.2f}",
                f"{m['own_bytes'] / 1e9:.2f}",
                *(f"{seconds:.1f}" for seconds in m["timings_s"].values()),
            )
            for m in measured
        ],
    )
    print(f"exponent of growth: {exponent:.2f}")
    return {"jobs": 1, "runs": measured, "exponent": exponent}


def measure_run(n: int, scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    data = scratch / "faces.npz"
    write_faces(n, data)
    if options.table:
        arrays, data = data, scratch / "faces.csv"
        write_table(read_npz(arrays, "faces"), data)
        arrays.unlink()
    cache = scratch / "cache"
    command = [sys.executable, "-m", "fer_fast", "pipeline", "--data", str(data)]
    command += [*backbone(options), *RUN.split()]
    environment = os.environ | {"FER_FAST_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    # The exported model is there already, as in every run but the first.
    shutil.copytree(options.models, cache)
    start, before = time.monotonic(), cpu_seconds()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    peak = Peak(process.pid)
    said, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the run on {n:,} faces ended with {process.returncode}")
    document = json.loads(said)
    return {
        "faces": n,
        "seconds": time.monotonic() - start,
        "cpu_seconds": cpu_seconds() - before,
        "peak_bytes": peak.whole,
        "own_bytes": peak.own,
        "features": document["features"]["total"],
        "accuracy": document["test"]["accuracy"],
        "timings_s": document["timings_s"],
    }


def cpu_seconds() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def export_model(options: argparse.Namespace, models: Path) -> None:
    out = ["--quiet", "--out", str(models / "unused.onnx")]
    subprocess.run(
        [sys.executable, "-m", "fer_fast", "export", *backbone(options), *out],
        env=os.environ | {"FER_FAST_CACHE": str(models)},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def backbone(options: argparse.Namespace) -> list[str]:
    return f"--weights {options.weights} --taps {options.tap} --pooling global".split()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["workers", "faces", "wire"])
    parser.add_argument("--quick", action="store_true", help="few rows and rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--table", action="store_true", help="give the faces as a .csv")
    parser.add_argument("--tap", default="Conv1_relu", help="the layer whose means are features")
    parser.add_argument("--scratch", type=Path, help="a folder with room for the faces")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    if options.part == "wire":
        print(json.dumps(measure_wire()))
    elif options.part == "workers":
        results = measure_workers(options)
        write_results(options, {**results, "wire": in_own_network()})
    else:
        with tempfile.TemporaryDirectory() as models:
            options.models = Path(models)
            export_model(options, options.models)
            write_results(options, measure_faces(options))


if __name__ == "__main__":
    main()
