"""What an installation costs: seconds, megabytes and packages, beside other recognisers'.

Each is installed by pip into a fresh environment, one after another, without pip's cache: the
seconds contain the downloads. The size is that of all files beside what the empty environment has.

    python bench/installation.py --wheel dist/fer_fast-*.whl --out bench/results/installation.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from common import print_table, write_results

PEERS = ("fer", "deepface")


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder, each counted once."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def installed(python: Path) -> dict[str, str]:
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
    )
    return {one["name"]: one["version"] for one in json.loads(listed.stdout)}


def install(wanted: str) -> dict[str, Any]:
    """Install into a fresh environment, and return what that took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        empty, before = size_of(folder), installed(python)
        began = time.perf_counter()
        ended = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", wanted],
            capture_output=True,
            text=True,
            env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        seconds = time.perf_counter() - began
        if ended.returncode:
            return {"failed": ended.stderr.strip().splitlines()[-1]}
        after = installed(python)
        return {
            "seconds": seconds,
            "megabytes": (size_of(folder) - empty) / 1e6,
            "packages": len(after.keys() - before.keys()),
            "version": after[wanted.split("[")[0].split(" ")[0]],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, required=True, help="fer-fast's wheel")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    link = options.wheel.resolve().as_uri()
    wanted = {
        "fer-fast": f"fer-fast @ {link}",
        **{name: name for name in PEERS},
        "fer-fast[train]": f"fer-fast[train] @ {link}",
    }
    results = {}
    for name, spec in wanted.items():
        results[name] = install(spec)
        # Kept at once: each takes minutes.
        write_results(options, {"installations": results})
    print_table(
        "Installation",
        ("package", "s", "MB", "packages", "version"),
        [
            (name, one["failed"], "", "", "")
            if "failed" in one
            else (
                name,
                f"{one['seconds']:.0f}",
                f"{one['megabytes']:,.0f}",
                str(one["packages"]),
                one["version"],
            )
            for name, one in results.items()
        ],
    )


if __name__ == "__main__":
    main()
