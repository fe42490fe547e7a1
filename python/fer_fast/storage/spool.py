"""Bytes that come piece by piece, of which there may be more than memory has room for."""

from __future__ import annotations

import tempfile
from io import BytesIO
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from fer_fast.storage.cache import scratch_dir
from fer_fast.storage.files import refused_writes

MAPPED_BYTES = 2**28
"""Size from which an array stays in a file, which is mapped into memory: 116,508 faces."""


class Spool:
    """Bytes in memory, and beyond a quarter of a gigabyte in a file that has no name.

    The file is where `scratch_dir` is. It is gone with the last array that lies over it, or with
    this process.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = BytesIO()
        self._place: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._place is not None:
            self._file.close()

    def write(self, content: bytes, at: int) -> None:
        """Put bytes at a place; what nobody writes before it is zero.

        Raises
        ------
        OutputError
            If there is no room for a file, or no folder.
        """
        if self._place is None and at + len(content) > MAPPED_BYTES:
            self._move_to_file()
        self._put(content, at)

    def array(self) -> NDArray[np.uint8]:
        """Return all bytes, after which no more can be written."""
        if self._place is None:
            assert isinstance(self._file, BytesIO)
            return np.frombuffer(self._file.getbuffer(), np.uint8)
        with refused_writes(self._place, within=self._place):
            self._file.flush()
        return np.memmap(self._file, np.uint8, "r")

    def _move_to_file(self) -> None:
        assert isinstance(self._file, BytesIO)
        so_far = self._file.getbuffer()
        with scratch_dir() as folder:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
            self._place = folder.parent
        self._put(so_far, 0)

    def _put(self, content: bytes | memoryview, at: int) -> None:
        if self._place is None:
            self._file.seek(at)
            self._file.write(content)
            return
        # A full disk refuses a write; to what is mapped it would be the end of the process.
        with refused_writes(self._place, within=self._place):
            self._file.seek(at)
            self._file.write(content)
