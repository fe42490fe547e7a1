"""A file of JSON objects, a line each, that grows by whole lines and outlives its process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_LONGEST_LINE = 1 << 26
"""Bytes; a longer line is taken for damage."""


class JsonLines:
    """Reads what is whole of a file, and appends to that.

    Parameters
    ----------
    path : Path
        The file, which need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._end = 0
        self._descriptor: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether lines can be appended."""
        return self._descriptor is not None

    def read(self, take: Callable[[dict[str, Any]], bool]) -> None:
        """Hand over the object of each line, up to the first that is torn or not taken.

        What comes from there on is damaged, as a loss of power or a full disk leaves it.

        Parameters
        ----------
        take : callable
            Tells whether it takes an object.

        Raises
        ------
        OSError
            If the file is there and cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                while (line := file.readline(_LONGEST_LINE)).endswith(b"\n"):
                    try:
                        document = json.loads(line)
                    except (ValueError, RecursionError):
                        return
                    if not isinstance(document, dict) or not take(document):
                        return
                    self._end += len(line)
        except FileNotFoundError:
            return

    def open(self) -> None:
        """Cut off what was not taken, and be ready to append.

        Raises
        ------
        OSError
        """
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o666)
        os.ftruncate(self._descriptor, self._end)
        os.lseek(self._descriptor, 0, os.SEEK_END)

    def append(self, document: Mapping[str, Any]) -> None:
        """Write an object, or nothing of it.

        Raises
        ------
        OSError
        """
        assert self._descriptor is not None
        line = json.dumps(document, allow_nan=False).encode() + b"\n"
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(line)

    def sync(self) -> None:
        """Wait until what is written is on the disk, where the file system knows such a thing."""
        if self._descriptor is not None:
            with suppress(OSError):
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Append nothing more."""
        if self._descriptor is not None:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = None
