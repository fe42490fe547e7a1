"""Killing a real run at a moment of choice, and holding what it leaves against another run.

``python tests/runs/killing.py --weights WEIGHTS`` kills many runs, each at a moment of its own
out of all that a run takes, some on an empty cache, kills their resumption too, lets them end, and
prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import save_npz

ID = re.compile(rb"\d{8}T\d{6}-[0-9a-f]{8}")
ANTS = 5
"""Of `small_run`, in an iteration."""

BYTE_EQUAL = ("config.toml", "selection.json", "model.onnx")


@dataclass(frozen=True)
class Run:
    """A run of the command in a folder.

    Attributes
    ----------
    out : Path
    options : sequence of str
        What it is begun with.
    cache : Path
    """

    out: Path
    options: Sequence[str]
    cache: Path

    def start(self) -> subprocess.Popen[str]:
        """Begin the run, or resume it where that has left its settings."""
        begun = (self.out / "config.toml").exists()
        way = ("--resume", str(self.out)) if begun else (*self.options, "--out", str(self.out))
        return subprocess.Popen(
            [sys.executable, "-m", "fer_fast", "pipeline", "--jobs", "1", *way],
            env=os.environ | {"FER_FAST_CACHE": str(self.cache), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> str:
        """Let the run end; return what it said."""
        _, said = (process := self.start()).communicate(timeout=300)
        assert process.returncode == 0, said
        return said

    def kill_when(
        self, is_time: Callable[[Path], bool], *, number: int = signal.SIGKILL
    ) -> tuple[int, str]:
        """Send a signal as soon as `is_time` says so of the folder.

        Returns
        -------
        status : int
            As `subprocess` has it: negative for a signal, 0 if the run had ended before.
        stage : str
            See `stage_of`, at that moment.
        """
        process = self.start()
        while process.poll() is None and not is_time(self.out):
            time.sleep(0.002)
        process.send_signal(number)
        stage = stage_of(self.out)
        process.communicate(timeout=300)
        return process.returncode, stage


def small_run(folder: Path, weights: Path, cache: Path) -> Run:
    """Return a run of seconds, on 240 drawn faces, that nobody has begun."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 4, 240).astype(np.uint8)
    pixels = rng.integers(0, 150, (240, 48, 48)).astype(np.uint8)
    pixels[:, :24] += (labels * 9)[:, None, None]
    splits = np.repeat(list(Split), [120, 50, 70]).astype(np.uint8)
    save_npz(FaceDataset(pixels, labels, splits, "few"), folder / "few.npz")
    options = {
        "data": folder / "few.npz",
        "weights": weights,
        "size": 32,
        "device": "cpu",
        "balance": "none",
        "ants": ANTS,
        "iterations": 6,
        "trees": 150,
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    return Run(folder / "whole", words, cache)


def evaluations(out: Path) -> int:
    """Return how many evaluations a folder's journal has."""
    try:
        return max(0, (out / "evaluations.jsonl").read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def stage_of(out: Path) -> str:
    """Return what a run was at by what it has left in its folder."""
    named = {path.name for path in out.glob("*")}
    for name, stage in (
        ("report.html", "ended"),
        ("metrics.json", "writing results"),
        ("selection.json", "final forests"),
        ("evaluations.jsonl", "search"),
        ("config.toml", "data, features, balance"),
    ):
        if name in named:
            return stage
    return "start"


def into_final_forests(whole: Run, share: float) -> Callable[[Path], bool]:
    """Return what tells of a run that its final forests are grown to a share of their time.

    Parameters
    ----------
    whole : Run
        That has ended, and says how long they take.
    share : float
    """
    timings = _metrics(whole.out)["timings_s"]
    seconds = share * (timings["classifier"] + timings["baselines"] + timings["calibration"])
    before: float | None = None
    begun: float | None = None

    def is_time(out: Path) -> bool:
        nonlocal before, begun
        # The run that was killed before has left a selection, too.
        selection = out / "selection.json"
        written = selection.stat().st_mtime if selection.exists() else 0.0
        before = written if before is None else before
        if begun is None and written != before:
            begun = time.monotonic()
        return begun is not None and time.monotonic() - begun >= seconds

    return is_time


def difference(first: Path, second: Path) -> str:
    """Return which file of two folders differs, run id, folder and times apart; empty: none."""
    for name in BYTE_EQUAL:
        texts = [ID.sub(b"ID", (out / name).read_bytes()) for out in (first, second)]
        if texts[0] != texts[1]:
            return name
    if _figures(first) != _figures(second):
        return "metrics.json"
    return ""


def _metrics(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return document


def _figures(out: Path) -> dict[str, Any]:
    document = _metrics(out)
    for name in ("run_id", "timings_s"):
        del document[name]
    for name in ("out", "dask"):
        del document["parameters"][name]
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--cold", type=int, default=8, help="of them on an empty cache")
    parser.add_argument("--final", type=int, default=8, help="more, while final forests are grown")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    words = f"--weights {options.weights} --device cpu --balance none --ants 8 --iterations 6 "
    words += "--fitness-rows 1000 --trees 60"
    print("| cache | killed after, s | at | evaluations kept | killed again at | differs |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        folder, seconds = Path(scratch), {}
        for cache in ("empty", "filled"):
            whole = Run(folder / f"whole-{cache}", words.split(), folder / "cache")
            start = time.monotonic()
            whole.finish()
            seconds[cache] = time.monotonic() - start

        def kill_twice(run: Run, cache: str, is_time: Callable[[Path], bool], moment: str) -> None:
            _, stage = run.kill_when(is_time)
            kept = evaluations(run.out)
            _, again = run.kill_when(_after(seconds["filled"] * draw.random()))
            run.finish()
            found = difference(run.out, whole.out) or "nothing"
            print(f"| {cache} | {moment} | {stage} | {kept} | {again} | {found} |", flush=True)
            shutil.rmtree(run.out)

        for number in range(options.kills):
            cache = "empty" if number < options.cold else "filled"
            path = folder / "cache"
            if cache == "empty":
                path = folder / f"cache-{number}"
            first, of = number, options.cold
            if cache == "filled":
                first, of = number - options.cold, options.kills - options.cold
            # A moment of its own from each part of a run.
            moment = seconds[cache] * (first + draw.random()) / of
            run = Run(folder / f"killed-{number}", words.split(), path)
            kill_twice(run, cache, _after(moment), f"{moment:.1f}")
            if cache == "empty":
                shutil.rmtree(path)
        for number in range(options.final):
            share = (number + draw.random()) / options.final
            run = Run(folder / f"final-{number}", words.split(), folder / "cache")
            is_time = into_final_forests(whole, share)
            kill_twice(run, "filled", is_time, f"{share:.0%} of the final forests")


def _after(seconds: float) -> Callable[[Path], bool]:
    start = time.monotonic()
    return lambda _: time.monotonic() - start >= seconds


if __name__ == "__main__":
    main()
