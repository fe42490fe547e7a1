"""Ctrl-C that ends the process soon, wherever it is."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

GRACE_S = 1.5
"""How long the stage under way may take to notice Ctrl-C, in seconds."""

EXIT_STATUS = 128 + signal.SIGINT
"""The shell's status of a process that SIGINT ended."""

_once = threading.Lock()
_kept = ""


def kept(what: str) -> None:
    """Have Ctrl-C say from now on what the run has kept already."""
    global _kept
    _kept = f": {what}"


@contextmanager
def prompt_interrupts() -> Iterator[None]:
    """End the process `GRACE_S` after Ctrl-C if nothing else has ended it by then.

    Python runs its signal handler between two bytecodes of the main thread only, and a forest or
    a session under way in compiled code can keep that thread for a minute. The wake-up descriptor
    is written by the C handler itself, so a thread that reads it hears at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="interrupts", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        writer.close()


def _watch(reader: socket.socket) -> None:
    while signals := reader.recv(16):
        if signal.SIGINT in signals:
            threading.Event().wait(GRACE_S)
            leave()


def leave(message: str = "") -> NoReturn:
    """Print one line and end the process now, without waiting for its threads."""
    message = message or f"interrupted{_kept}"
    # Whoever comes second (the main thread or the watcher) must not print again.
    _once.acquire()
    show_cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""
    print(f"{show_cursor}{message}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(EXIT_STATUS)
