"""Standard output and error as a command needs them: they may be closed, refuse, or know few signs.

A result goes into its files before it is printed, and no stream that fails may end a run: what it
refused is said once the run is over.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

_PLAIN = str.maketrans("→×·•…–—−✓✗", ">x--.---+x")
"""One sign for one, or the columns of a table would not stay in line."""


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    """Say in other signs what an encoding has none for: a codecs error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return missing.translate(_PLAIN).encode("ascii", "replace").decode(), error.end


codecs.register_error("fer-fast-plain", _in_plain)


class GuardedStream:
    """A text stream that falls silent for good once it refuses.

    Parameters
    ----------
    stream : text file or None
        None, as Python has it for a stream that was closed before the start, is silent from there.

    Attributes
    ----------
    refusal : OSError or None
        Why it fell silent, if it did.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.refusal: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="fer-fast-plain")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:
        """The encoding's name; a stream of none takes everything."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Tell whether a person looks."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def write(self, text: str) -> int:
        """Write, unless silent."""
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError) as error:
                self._fall_silent(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless silent."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError) as error:
                self._fall_silent(error)

    def _fall_silent(self, error: OSError | ValueError) -> None:
        # A file that is closed raises ValueError.
        self.refusal = error if isinstance(error, OSError) else OSError(None, str(error))
        stream, self._stream = self._stream, None
        # Python writes what is left once more at its end, and says so if it fails.
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
            os.close(nowhere)


def occupy_standard_descriptors() -> None:
    """Open nothing on those of the descriptors 0 to 2 that are closed.

    A file that gets one of them would get all that libraries say on standard error, too.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)


def standard_streams() -> tuple[GuardedStream, GuardedStream]:
    """Return standard output and standard error."""
    return GuardedStream(sys.stdout), GuardedStream(sys.stderr)
