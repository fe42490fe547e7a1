"""A real server in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Served:
    """The address of a running ``fer-fast serve``, and its process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving on http://"), line
        self.address = line.split()[2]
        self.port = int(self.address.rpartition(":")[2])


@contextmanager
def serving(model: Path, *options: str) -> Iterator[Served]:
    """Run ``fer-fast serve`` on a free port until the block ends."""
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    command = [sys.executable, "-m", "fer_fast", "serve", "--model", str(model), "--port", "0"]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    try:
        yield Served(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


@pytest.fixture(scope="session")
def server(expression_model: Path) -> Iterator[Served]:
    """Return a server of the tests' model."""
    with serving(expression_model) as served:
        yield served


@pytest.fixture
def serve() -> Callable[..., object]:
    """Return `serving`, for a server with options of its own."""
    return serving
