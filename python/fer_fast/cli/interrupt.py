"""Ctrl-C, and what a system ends a process by, end this one soon, wherever it is."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

GRACE_S = 2.5
"""How long the stage under way may take to notice, in seconds."""

KEEPING_S = 60.0
"""How long what is being written may take to be whole, in seconds."""

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C; ``kill``, ``timeout``, ``docker stop`` and Slurm; a terminal that is closed."""

_once = threading.Lock()
_keeping = threading.Lock()
_received = int(signal.SIGINT)
_kept = ""


def kept(what: str) -> None:
    """Have an interrupt say from now on what the run has kept already."""
    global _kept
    _kept = f": {what}"


@contextmanager
def keeping() -> Iterator[None]:
    """Let an interrupted process live until the block has written its files."""
    with _keeping:
        yield


@contextmanager
def prompt_interrupts() -> Iterator[None]:
    """End the process `GRACE_S` after a signal if nothing else has ended it by then.

    Every one of `SIGNALS` raises KeyboardInterrupt, unless whoever started the process has it
    ignored, as ``nohup`` does. Python runs its signal handlers between two bytecodes of the main
    thread only, and a forest or a session under way in compiled code can keep that thread for a
    minute. The wake-up descriptor is written by the C handler itself, so a thread that reads it
    hears at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    descriptor = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    ours = [number for number in SIGNALS if signal.getsignal(number) in defaults]
    handlers = {number: signal.signal(number, _interrupt) for number in ours}
    threading.Thread(target=_watch, args=(reader,), name="interrupts", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor)
        writer.close()


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    global _received
    _received = number
    raise KeyboardInterrupt


def _watch(reader: socket.socket) -> None:
    global _received
    with reader:
        while signals := reader.recv(16):
            for number in SIGNALS:
                if number in signals:
                    _received = number
                    threading.Event().wait(GRACE_S)
                    _keeping.acquire(timeout=KEEPING_S)
                    leave()


def leave(message: str = "") -> NoReturn:
    """Print one line and end the process now, without waiting for its threads.

    Its status is the shell's of a process that the signal ended.
    """
    message = message or f"interrupted{_kept}"
    # Whoever comes second (the main thread or the watcher) must not print again.
    _once.acquire()
    # The terminal may be what is gone.
    with suppress(OSError, ValueError, AttributeError):
        show_cursor = "\x1b[?25h\n" if sys.stderr.isatty() else ""
        print(f"{show_cursor}{message}", file=sys.stderr, flush=True)
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    os._exit(128 + _received)
