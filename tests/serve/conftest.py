"""A real server in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
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
    """Run ``fer-fast serve`` on a free port until the block ends; it must log nothing."""
    pytest.importorskip("uvicorn", reason="the extra serve is not installed")
    command = [sys.executable, "-m", "fer_fast", "serve", "--model", str(model), "--port", "0"]
    # A pipe that nobody reads would stop a server that writes into it.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield Served(process)
        finally:
            process.send_signal(signal.SIGINT)
            status = process.wait(timeout=30)
        log.seek(0)
        assert log.read() == ""
        assert status == 0


@pytest.fixture(scope="session")
def server(expression_model: Path) -> Iterator[Served]:
    """Return a server of the tests' model."""
    with serving(expression_model) as served:
        yield served


@pytest.fixture
def serve() -> Callable[..., object]:
    """Return `serving`, for a server with options of its own."""
    return serving
