"""FER-2013 as comma-separated values: one face a row, its pixels as decimal numbers in one cell.

Rows are numbered from 1, the row below the header; blank lines are not counted. `_parse_row`
defines what a row may look like. `_parse_together` reads the usual spelling of that (single spaces,
at most three digits) for many rows at once, and hands back anything else.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FACE_SIDE, SPLIT_NAMES, FaceDataset
from fer_fast.faces.labels import FER2013, FERPLUS
from fer_fast.storage.spool import Spool

_FACE_PIXELS = FACE_SIDE * FACE_SIDE
# CK+'s table, which is laid out as FER-2013's, has contempt under FER+'s number.
_LABEL_CODES = {str(code).encode(): code for code in range(len(FERPLUS))}
_SPLIT_CODES = {name.encode(): split for split, name in SPLIT_NAMES.items()}
# A face takes at most 9.3 kB; the bound keeps a file without line ends from filling the memory.
_ROW_BYTES = 1 << 16
# Few enough for a processor's cache.
_ROWS_TOGETHER = 64
_BLANKS = b" \t\r\n"
_SPACE = ord(" ")
_ZERO = ord("0")


class LineReader(Protocol):
    """A binary stream, of which lines are asked alone."""

    def readline(self, size: int, /) -> bytes:
        """Return the next line with its end, cut after `size` bytes; empty at the end."""


@dataclass(frozen=True)
class _Columns:
    """Where the three columns stand among `count`."""

    label: int
    pixels: int
    split: int
    count: int


class _BadRowError(Exception):
    """Says what is wrong with a row."""


_Parsed = tuple[bytes, bytes, bytes]
"""Pixels, labels and splits of some rows, one byte each."""


def is_face_table(file: LineReader) -> bool:
    """Tell whether a table's first line names the three columns of FER-2013."""
    try:
        _read_header(file, "")
    except DataError:
        return False
    return True


def read_table(file: LineReader, source: str, progress: Callable[[], None]) -> FaceDataset:
    """Read the faces of a FER-2013 table.

    Parameters
    ----------
    file : LineReader
        The table, uncompressed.
    source : str
        The table's name in messages.
    progress : callable
        Called now and then while reading.

    Returns
    -------
    FaceDataset
        The rows in the table's order, of FER-2013's seven classes, or of FER+'s eight if a row has
        the eighth. Pixels that take more than a quarter of a gigabyte are mapped from a file.

    Raises
    ------
    DataError
        If the header lacks a column, or a row is malformed; the first such row is named.
    OutputError
        If there is no room for that file.
    """
    columns = _read_header(file, source)
    labels, splits = bytearray(), bytearray()
    rows = _rows(file)
    with Spool() as spool:
        while batch := list(islice(rows, _ROWS_TOGETHER)):
            parsed = _parse_together(batch, columns)
            if parsed is None:
                parsed = _parse_singly(batch, columns, source, first_number=len(labels) + 1)
            spool.write(parsed[0], at=_FACE_PIXELS * len(labels))
            labels += parsed[1]
            splits += parsed[2]
            progress()
        if not labels:
            raise DataError(
                f"{source} has a header but no rows",
                hint="download it again",
            )
        pixels = spool.array()
    return FaceDataset(
        pixels=pixels.reshape(-1, FACE_SIDE, FACE_SIDE),
        labels=np.frombuffer(labels, np.uint8),
        splits=np.frombuffer(splits, np.uint8),
        source=source,
        label_set=FER2013 if max(labels) < len(FER2013) else FERPLUS,
    )


def _read_header(file: LineReader, source: str) -> _Columns:
    line = file.readline(_ROW_BYTES)
    if not line:
        raise DataError(
            f"{source} is empty",
            hint="download it again",
        )
    try:
        names = [name.strip().casefold() for name in next(csv.reader([line.decode("utf-8-sig")]))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{source} is not comma-separated text",
            hint="give FER-2013's csv, or a name that ends in what the file is",
        ) from error
    wanted = ("emotion", "pixels", "usage")
    for name, shown in zip(wanted, ("emotion", "pixels", "Usage"), strict=True):
        if name not in names:
            found = _shown(", ".join(names).encode())
            lacking = ", so there is no test split" if name == "usage" else ""
            raise DataError(
                f"{source} has no column {shown!r} in its first line ({found}){lacking}",
                hint="give a csv with the columns emotion, pixels and Usage",
            )
    label, pixels, split = (names.index(name) for name in wanted)
    return _Columns(label, pixels, split, len(names))


def _rows(file: LineReader) -> Iterator[bytes]:
    while line := file.readline(_ROW_BYTES):
        if not line.isspace():
            yield line


def _cells(row: bytes) -> list[bytes]:
    if b'"' not in row:
        return row.split(b",")
    try:
        # Latin-1 maps every byte to itself, so the round trip loses nothing.
        cells = next(csv.reader([row.decode("latin-1")], strict=True))
    except csv.Error as error:
        raise _BadRowError(f"its quotes are wrong ({error})") from error
    return [cell.encode("latin-1") for cell in cells]


def _parse_together(rows: list[bytes], columns: _Columns) -> _Parsed | None:
    try:
        table = [_cells(row) for row in rows]
    except _BadRowError:
        return None
    labels, splits, faces = bytearray(), bytearray(), []
    for cells in table:
        if len(cells) != columns.count:
            return None
        label = _LABEL_CODES.get(cells[columns.label].strip(_BLANKS))
        split = _SPLIT_CODES.get(cells[columns.split].strip(_BLANKS))
        face = cells[columns.pixels].strip(_BLANKS)
        if label is None or split is None or face.count(b" ") != _FACE_PIXELS - 1:
            return None
        labels.append(label)
        splits.append(split)
        faces.append(face)
    pixels = _numbers(b" ".join([b"", *faces, b""]))
    return None if pixels is None else (pixels.tobytes(), bytes(labels), bytes(splits))


def _numbers(text: bytes) -> NDArray[np.uint8] | None:
    """Read numbers of 1 to 3 digits, each between two single spaces; None if `text` has others."""
    characters = np.frombuffer(text, np.uint8)
    is_digit = characters != _SPACE
    spaces = np.flatnonzero(~is_digit)
    digits = (characters - np.uint8(_ZERO)) * is_digit
    ends, lengths = spaces[1:], np.diff(spaces) - 1
    if digits.max() > 9 or lengths.min() < 1 or lengths.max() > 3:
        return None
    # The byte before a one-digit number is a space, which counts 0; the one before that belongs to
    # the number before.
    ones, tens, hundreds = (digits.take(ends - place) for place in (1, 2, 3))
    values = ones + np.uint16(10) * tens + np.uint16(100) * (hundreds * (lengths == 3))
    return None if values.max() > 255 else values.astype(np.uint8)


def _parse_singly(rows: list[bytes], columns: _Columns, source: str, first_number: int) -> _Parsed:
    pixels, labels, splits = bytearray(), bytearray(), bytearray()
    for number, row in enumerate(rows, first_number):
        try:
            face, label, split = _parse_row(row, columns)
        except _BadRowError as error:
            raise DataError(
                f"{source}, row {number} below the header: {error}",
                hint="mend or remove the row, or download the file again",
            ) from error
        pixels += face
        labels.append(label)
        splits.append(split)
    return bytes(pixels), bytes(labels), bytes(splits)


def _parse_row(row: bytes, columns: _Columns) -> tuple[bytes, int, int]:
    cells = _cells(row)
    if len(cells) != columns.count:
        raise _BadRowError(f"it has {len(cells)} cells where the header has {columns.count}")
    label = _LABEL_CODES.get(cells[columns.label].strip(_BLANKS))
    if label is None:
        raise _BadRowError(
            f"the emotion is {_shown(cells[columns.label])}, not a whole number from 0 to 6, nor 7 "
            "for contempt"
        )
    split = _SPLIT_CODES.get(cells[columns.split].strip(_BLANKS))
    if split is None:
        raise _BadRowError(
            f"the Usage is {_shown(cells[columns.split])}, not Training, PublicTest or PrivateTest"
        )
    return _face(cells[columns.pixels]), label, split


def _face(cell: bytes) -> bytes:
    numbers = cell.split()
    for position, number in enumerate(numbers, 1):
        if not (number.isdigit() and len(number) < 10 and int(number) <= 255):
            raise _BadRowError(
                f"pixel {position} is {_shown(number)}, not a whole number from 0 to 255"
            )
    if len(numbers) != _FACE_PIXELS:
        raise _BadRowError(f"it has {len(numbers):,} pixels where a face has {_FACE_PIXELS:,}")
    return bytes(map(int, numbers))


def _shown(cell: bytes) -> str:
    return repr(cell.decode("utf-8", "replace").strip()[:40])
