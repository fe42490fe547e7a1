"""The proof for a machine with a GPU, tried on stand-ins for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRY_RUN = Path(__file__).parents[2] / "bench" / "gpu" / "dry_run.sh"


@pytest.mark.usefixtures("stand_in_libraries")
def test_the_proof_passes_on_a_cpu_and_fails_where_nothing_is_computed(random_model: Path) -> None:
    found = subprocess.run(
        [DRY_RUN, random_model],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "RESULT: PASS (0 of 2 failed)" in found.stdout
    assert "RESULT: FAIL (3 of 6 failed)" in found.stdout
    assert found.stdout.endswith("DRY RUN DONE\n")
