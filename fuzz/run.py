"""Feed the readers of outside data for a while, guided by coverage, and count what they do.

``python fuzz/run.py --seconds 60`` feeds each in a process of its own and prints a table;
``python fuzz/run.py table votes`` some of them. A fault is what a reader raises that is no
refusal, a crash, more than 20 s, or more than 2 GiB: its input is kept in ``--keep``, and
``python fuzz/run.py table --input FILE`` feeds it again. Needs atheris (Linux, ``pip install
atheris``).
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

LONGEST_S, MOST_MIB = 20, 2048


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which (default: all)")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each")
    parser.add_argument("--keep", type=Path, default=Path("faults"), metavar="DIR")
    parser.add_argument("--input", type=Path, metavar="FILE", help="feed this one, once")
    parser.add_argument("--feed", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.feed:
        _feed(options.feed, options.seconds, options.keep)
        return 0

    from fuzz_targets import TARGETS

    if options.input is not None:
        (name,) = options.targets
        with tempfile.TemporaryDirectory() as scratch:
            taken = TARGETS[name].accepts(options.input.read_bytes(), Path(scratch))
        print("taken" if taken else "refused")
        return 0
    unknown = set(options.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no targets: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    print("| reader | inputs | an input, ms | faults |")
    print("| --- | --- | --- | --- |")
    faults = 0
    for name in options.targets or TARGETS:
        faults += _report(name, options.seconds, options.keep)
    return int(faults > 0)


def _report(name: str, seconds: int, keep: Path) -> int:
    """Feed one reader in a process of its own, print a row, and return how many faults it had."""
    folder = keep / name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    command = [sys.executable, __file__, "--feed", name, "--seconds", str(seconds)]
    child = subprocess.run(
        [*command, "--keep", str(folder)], capture_output=True, text=True, errors="replace"
    )
    found = re.search(r"stat::number_of_executed_units:\s*(\d+)", child.stderr)
    if found is None:
        (folder / "log.txt").write_text(child.stderr)
    inputs = int(found[1]) if found else 0
    faults = sorted(path.name for path in set(folder.iterdir()) - before)
    if not faults:
        folder.rmdir()
    each = f"{1000 * seconds / inputs:.2f}" if inputs else ""
    print(f"| {name} | {inputs:,} | {each} | {', '.join(faults) or 'none'} |", flush=True)
    return len(faults)


def _feed(name: str, seconds: int, keep: Path) -> None:
    """Let libFuzzer feed one reader; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["fer_fast"]):
        from fuzz_targets import TARGETS

    warnings.simplefilter("ignore")
    target = TARGETS[name]
    scratch = tempfile.TemporaryDirectory()
    corpus = Path(scratch.name) / "corpus"
    corpus.mkdir()
    seeds = target.seeds(Path(scratch.name))
    for number, content in enumerate(seeds):
        (corpus / str(number)).write_bytes(content)

    def read(content: bytes) -> None:
        target.accepts(content, Path(scratch.name))

    def mutate(content: bytes, most_bytes: int, seed: int) -> Any:
        draw = random.Random(seed)
        if draw.random() < 0.5:
            return atheris.Mutate(content, most_bytes)
        # What the fuzzer has made of a seed need not be JSON any more.
        return target.mutate(draw.choice(seeds), draw)[:most_bytes]

    arguments = {
        "max_total_time": seconds,
        "timeout": LONGEST_S,
        "report_slow_units": LONGEST_S,
        "rss_limit_mb": MOST_MIB,
        "max_len": max(4096, 2 * max(map(len, seeds))),
        "artifact_prefix": f"{keep}/",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    words = [f"-{key}={value}" for key, value in arguments.items()]
    atheris.Setup([sys.argv[0], str(corpus), *words], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
