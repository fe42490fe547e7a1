"""``fer-fast predict`` as a user runs it."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fer_fast.recognition import Recognizer
from fer_fast.recognition.document import picture_document

LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


@pytest.fixture
def album(tmp_path: Path, draw_face: Any) -> Path:
    """Return a folder with good pictures and bad ones."""
    folder = tmp_path / "album"
    folder.mkdir()
    draw_face(200).save(folder / "a.png")
    Image.new("RGB", (60, 60), "grey").save(folder / "b none.png")
    (folder / "c.jpg").write_bytes(b"text called jpg")
    (folder / "d.png").touch()
    draw_face(300).save(folder / "e.jpg")
    (folder / "f.jpg").write_bytes((folder / "e.jpg").read_bytes()[:2000])
    return folder


def test_a_row_for_each_face_and_each_picture_without_one(
    run_cli: Any, expression_model: Path, album: Path
) -> None:
    done = run_cli("predict", "--model", expression_model, album, "--format", "csv")
    assert done.returncode == 0
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [Path(row["source"]).name for row in rows] == [
        *("a.png", "b none.png", "c.jpg", "d.png", "e.jpg", "f.jpg")
    ]
    notes = [row["note"] for row in rows]
    assert notes[0] == notes[4] == ""
    assert notes[1] == "no face found"
    assert "cannot identify" in notes[2]
    assert "empty" in notes[3]
    assert "truncated" in notes[5]
    assert "3 of 6 inputs could not be read whole" in done.stderr
    for row in (rows[0], rows[4]):
        assert sum(float(row[label]) for label in LABELS) == pytest.approx(1, abs=1e-5)
        assert row["label"] == max(LABELS, key=lambda label: float(row[label]))


def test_json_lines_say_what_the_recogniser_says(
    run_cli: Any, expression_model: Path, album: Path
) -> None:
    done = run_cli(
        "predict", "--model", expression_model, album, "--format", "jsonl", "--jobs", "1"
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    paths = sorted(album.iterdir())
    expected = []
    for path, prediction in zip(
        paths, Recognizer(expression_model, threads=1).stream(paths), strict=True
    ):
        document = (
            {"error": str(prediction.error)} if prediction.error else picture_document(prediction)
        )
        expected.append({"source": str(path)} | document)
    assert lines == expected


def test_the_table_reads_alone(run_cli: Any, expression_model: Path, album: Path) -> None:
    lines = run_cli("predict", "--model", expression_model, album).stdout.splitlines()
    assert lines[0].endswith("a.png")
    assert any(label in lines[1] for label in LABELS)
    assert "% " in lines[1]
    assert lines[2].endswith("b none.png: no face found")
    assert "c.jpg is no readable picture" in lines[3]


def test_pictures_with_boxes_are_written_once_each(
    run_cli: Any, expression_model: Path, album: Path, tmp_path: Path
) -> None:
    (album / "deep").mkdir()
    (album / "a.png").rename(album / "deep" / "e.png")
    run_cli("predict", "--model", expression_model, album, "--annotate", "out")
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["b none.jpg", "e-2.jpg", "e.jpg"]
    before = np.asarray(Image.open(album / "deep" / "e.png").convert("RGB")).astype(int)
    sizes = {Image.open(tmp_path / "out" / name).size for name in ("e.jpg", "e-2.jpg")}
    assert sizes == {(200, 200), (300, 300)}
    same_size = next(
        picture
        for picture in (Image.open(tmp_path / "out" / name) for name in ("e.jpg", "e-2.jpg"))
        if picture.size == (200, 200)
    )
    changed = np.abs(np.asarray(same_size).astype(int) - before).max(axis=2) > 60
    (face,) = Recognizer(expression_model).predict(album / "deep" / "e.png")
    left, top = round(face.box.left), round(face.box.top)
    assert changed[top + 5 : top + 60, left - 2 : left + 4].any(axis=1).mean() > 0.9


def test_a_picture_on_standard_input(expression_model: Path, draw_face: Any) -> None:
    file = BytesIO()
    draw_face(150).save(file, "PNG")
    done = subprocess.run(
        [sys.executable, "-m", "fer_fast", "predict", "--model", str(expression_model), "-"],
        input=file.getvalue(),
        capture_output=True,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == b"-"
    assert len(done.stdout.splitlines()) == 2


def test_faces_none_and_largest(run_cli: Any, expression_model: Path, album: Path) -> None:
    for faces, box in (
        ("none", {"left": 0, "top": 0, "width": 60, "height": 60}),
        ("largest", None),
    ):
        done = run_cli(
            *("predict", "--model", expression_model, album / "b none.png"),
            *("--faces", faces, "--format", "jsonl"),
        )
        found = json.loads(done.stdout)["faces"]
        assert [face["box"] for face in found] == ([] if box is None else [box])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.png"], "No such file"),
        (["*.nothing"], "give a picture"),
        (["album/c.jpg"], "cannot identify"),
    ],
)
def test_where_nothing_can_be_read_the_status_is_2(
    run_cli: Any, expression_model: Path, album: Path, arguments: list[str], words: str
) -> None:
    assert album.exists()
    done = run_cli("predict", "--model", expression_model, *arguments)
    assert done.returncode == 2
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["album/c.jpg", "album", "missing.onnx"])
def test_a_model_that_is_none_is_one_sentence(run_cli: Any, album: Path, name: str) -> None:
    done = run_cli("predict", "--model", name, album)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_nobody_waits_for_rows_that_nobody_reads(expression_model: Path, album: Path) -> None:
    command = [sys.executable, "-m", "fer_fast", "predict", "--model", str(expression_model)]
    reader, writer = os.pipe()
    # So little is buffered that the rows cannot all be written before the reader leaves.
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*command, *[str(album / "a.png")] * 2_000],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    _, errors = process.communicate(timeout=300)
    assert "Traceback" not in errors
    assert process.returncode == 1
