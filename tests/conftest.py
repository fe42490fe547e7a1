"""Fixtures shared by every folder of tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fer_fast.backbone import Weights, resolve_weights
from fer_fast.errors import WeightsError

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """Let Ctrl-C through to the commands that tests start.

    A shell starts background jobs with SIGINT ignored, and every process below inherits that; a
    handler is reset to the default instead.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """Return a local copy of FER-2013's csv."""
    path = os.environ.get("FER_FAST_TEST_FER2013")
    if not path:
        pytest.skip("FER_FAST_TEST_FER2013 does not name a local copy of FER-2013")
    return Path(path)


@pytest.fixture(scope="session")
def imagenet() -> Weights:
    """Return the real ImageNet weights, from the user's cache or whatever source is reachable."""
    try:
        return resolve_weights(None)
    except WeightsError as error:
        pytest.skip(f"no ImageNet weights: {error}")


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return a function that runs the real ``fer-fast`` in a folder of its own."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fer_fast", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
