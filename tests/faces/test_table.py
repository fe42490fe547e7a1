"""The vectorised parser against the csv module and int(), and its naming of malformed rows."""

import csv
import io
import itertools
import random
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_fast.errors import DataError
from fer_fast.faces.readers import table
from fer_fast.storage import spool

SPLITS = ("Training", "PublicTest", "PrivateTest")


def face(seed: int) -> list[str]:
    """Return 2,304 pixels, of one, two and three digits alike."""
    rng = np.random.default_rng(seed)
    limits = np.array([10, 100, 256])[rng.integers(0, 3, 2304)]
    return [str(pixel) for pixel in rng.integers(0, limits)]


def read(text: bytes, rows_together: int = table._ROWS_TOGETHER):
    with patch.object(table, "_ROWS_TOGETHER", rows_together):
        return table.read_table(io.BytesIO(text), "faces.csv", lambda: None)


def read_slowly(text: bytes) -> list[tuple[int, int, list[int]]]:
    """Return (label, split, pixels) of each row by Python's own csv module."""
    reader = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""))
    names = [name.strip().lower() for name in next(reader)]
    rows = []
    for cells in filter(None, reader):
        row = dict(zip(names, cells, strict=True))
        pixels = [int(number) for number in row["pixels"].split()]
        rows.append((int(row["emotion"]), SPLITS.index(row["usage"].strip()), pixels))
    return rows


def assert_same(dataset, rows):
    assert dataset.labels.tolist() == [label for label, _, _ in rows]
    assert dataset.splits.tolist() == [split for _, split, _ in rows]
    assert dataset.pixels.reshape(len(dataset), -1).tolist() == [pixels for _, _, pixels in rows]


@st.composite
def tables(draw) -> bytes:
    columns = draw(st.permutations(["emotion", "pixels", "Usage", *draw(st.sampled_from(EXTRA))]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    spell = draw(st.sampled_from([str, str.upper, lambda name: f" {name} "]))
    quote = draw(st.sampled_from(["", '"']))
    lines = [",".join(map(spell, columns))]
    for seed in draw(st.lists(st.integers(0, 999), min_size=1, max_size=7)):
        pixels = face(seed)
        gaps = draw(st.sampled_from([" ", " ", " ", "  ", "\t"]))
        cells = {
            "emotion": str(seed % 7),
            "pixels": draw(st.sampled_from(["", " "])) + gaps.join(pixels),
            "Usage": SPLITS[seed % 3],
            "index": str(seed),
            "note": '"a, ""quoted"" note"',
        }
        lines.append(
            ",".join(cells[c] if c == "note" else f"{quote}{cells[c]}{quote}" for c in columns)
        )
        lines.extend([""] * draw(st.sampled_from([0, 0, 0, 1])))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return (mark + end.join(lines) + draw(st.sampled_from(["", end]))).encode()


EXTRA = ([], [], ["index"], ["note"])


@settings(max_examples=60)
@given(tables(), st.integers(1, 4))
def test_reads_what_the_csv_module_reads(text, rows_together):
    assert_same(read(text, rows_together), read_slowly(text))


def test_reads_more_rows_than_are_parsed_together():
    lines = ["emotion,pixels,Usage"]
    lines += [
        f"{i % 7},{' '.join(face(i % 50))},{SPLITS[i % 3]}"
        for i in range(2 * table._ROWS_TOGETHER + 1)
    ]
    text = "\n".join(lines).encode()
    assert_same(read(text), read_slowly(text))


def with_pixel(position: int, value: str):
    def change(row: dict[str, str]) -> None:
        pixels = row["pixels"].split(" ")
        pixels[position] = value
        row["pixels"] = " ".join(pixels)

    return change


def with_cell(column: str, value: str):
    return lambda row: row.update({column: value})


MALFORMED = [
    (lambda row: row.update(pixels=row["pixels"].rpartition(" ")[0]), "2,303 pixels"),
    (lambda row: row.update(pixels=row["pixels"] + " 0"), "2,305 pixels"),
    (with_cell("pixels", ""), " 0 pixels"),
    (with_pixel(0, "256"), "pixel 1 is '256'"),
    (with_pixel(2303, "x"), "pixel 2304 is 'x'"),
    (with_pixel(7, "-1"), "pixel 8 is '-1'"),
    (with_pixel(7, "+1"), "pixel 8 is '+1'"),
    (with_pixel(7, "1.5"), "pixel 8 is '1.5'"),
    (with_pixel(7, "9" * 5000), "pixel 8 is '9999"),
    (with_pixel(7, "\N{ARABIC-INDIC DIGIT ONE}"), "pixel 8 is"),
    (with_cell("emotion", "8"), "emotion is '8'"),
    (with_cell("emotion", "-1"), "emotion is '-1'"),
    (with_cell("emotion", "3.0"), "emotion is '3.0'"),
    (with_cell("emotion", ""), "emotion is ''"),
    (with_cell("Usage", "Test"), "Usage is 'Test'"),
    (with_cell("Usage", "Training,more"), "4 cells where the header has 3"),
    (with_cell("Usage", '"Training'), "quotes"),
]


@pytest.mark.parametrize(("change", "words"), MALFORMED)
def test_names_the_first_malformed_row_and_what_is_wrong(change, words):
    chance = random.Random(words)
    for _ in range(4):
        count = chance.randint(1, 9)
        bad = chance.randint(1, count)
        lines = ["emotion,pixels,Usage"]
        for number in range(1, count + 1):
            row = {"emotion": "3", "pixels": " ".join(face(number)), "Usage": "Training"}
            if number == bad:
                change(row)
            elif number > bad:
                row["emotion"] = "9"
            lines.append(",".join(row.values()))
        text = "\n".join(lines).encode()
        with pytest.raises(DataError, match=f"^faces.csv, row {bad} below") as caught:
            read(text, rows_together=chance.randint(1, 4))
        assert words in str(caught.value)


def test_a_row_cut_short_is_malformed():
    whole = f"emotion,pixels,Usage\n3,{' '.join(face(0))},Training\n".encode()
    for kept in (22, 100, len(whole) - 3):
        with pytest.raises(DataError, match="row 1 below"):
            read(whole[:kept])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is empty"),
        (b"emotion,pixels,Usage\n", "no rows"),
        (b"emotion,pixels,Usage\n\n \n", "no rows"),
        (b"emotion,pixels\n3,1 2 3\n", "no column 'Usage'.*no test split"),
        (b"emotion,Usage\n3,Training\n", "no column 'pixels'"),
        (b" pixels, Usage\n", "no column 'emotion'"),
        (b"\n", "no column 'emotion'"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not comma-separated text"),
        (bytes(200_000), "no column 'emotion'"),
        (b"a\rb\rc", "not comma-separated text"),
    ],
)
def test_what_is_no_table_of_faces_is_refused(text, words):
    with pytest.raises(DataError, match=words) as caught:
        read(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


class Endless:
    """The lines of a table, each made as it is asked for."""

    def __init__(self, header: bytes, row: bytes, count: int) -> None:
        self._lines = itertools.chain([header], itertools.repeat(row, count))

    def readline(self, _size: int) -> bytes:
        return next(self._lines, b"")


def test_a_table_of_many_faces_takes_the_memory_of_a_few(monkeypatch):
    monkeypatch.setattr(spool, "MAPPED_BYTES", 100_000)
    monkeypatch.setattr(table, "_ROWS_TOGETHER", 16)
    pixels = face(3)
    row = f"3,{' '.join(pixels)},Training\n".encode()
    lines = Endless(b"emotion,pixels,Usage\n", row, 4000)
    tracemalloc.start()
    try:
        dataset = table.read_table(lines, "faces.csv", lambda: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < dataset.pixels.nbytes / 3
    assert len(dataset) == 4000
    assert (dataset.pixels.reshape(4000, -1) == np.array(pixels, np.uint8)).all()
