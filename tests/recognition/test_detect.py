"""The detector against a slow reading of YuNet's outputs, and on drawn faces."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fer_fast.recognition.detect import MODEL, Detections, FaceDetector, decode, merge

GROUND = (120, 140, 160)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def on_ground(face: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, GROUND)
    picture.paste(face, at)
    return picture


def slow_decode(outputs: dict[str, Any], width: int, least: float) -> list[list[float]]:
    """Return score, box and landmarks of each cell, one at a time, as the paper has them."""
    rows = []
    for stride in (8, 16, 32):
        columns = width // stride
        for cell in range(outputs[f"cls_{stride}"].shape[1]):
            face = float(outputs[f"cls_{stride}"][0, cell, 0])
            item = float(outputs[f"obj_{stride}"][0, cell, 0])
            score = math.sqrt(min(max(face, 0), 1) * min(max(item, 0), 1))
            if score < least:
                continue
            column, row = cell % columns, cell // columns
            shift_x, shift_y, log_width, log_height = outputs[f"bbox_{stride}"][0, cell]
            box_width, box_height = math.exp(log_width) * stride, math.exp(log_height) * stride
            left = (column + shift_x) * stride - box_width / 2
            top = (row + shift_y) * stride - box_height / 2
            points = []
            for x, y in outputs[f"kps_{stride}"][0, cell].reshape(5, 2):
                points += [(column + x) * stride, (row + y) * stride]
            rows.append([score, left, top, box_width, box_height, *points])
    return rows


def test_outputs_are_read_as_the_paper_has_them(draw_face: Any) -> None:
    picture = on_ground(draw_face(200), (480, 320), (40, 60))
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    pixels = np.asarray(picture, np.float32)[..., ::-1].transpose(2, 0, 1)[None]
    outputs = dict(zip(names, session.run(names, {"input": pixels}), strict=True))
    expected = np.array(slow_decode(outputs, 480, 0.3))
    parts = ("cls", "obj", "bbox", "kps")
    ordered = [outputs[f"{part}_{stride}"] for stride in (8, 16, 32) for part in parts]
    found = decode(ordered, 480, 0.3)
    assert len(found) > 3
    np.testing.assert_allclose(found.scores, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.boxes, expected[:, 1:5], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.landmarks.reshape(-1, 10), expected[:, 5:], atol=1e-2)


def slow_merge(rows: list[tuple[float, NDArray[Any]]]) -> list[tuple[float, NDArray[Any]]]:
    def overlap(a: NDArray[Any], b: NDArray[Any]) -> float:
        width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        shared = max(width, 0) * max(height, 0)
        return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))

    left = sorted(rows, key=lambda row: -row[0])
    merged = []
    while left:
        best = left[0]
        alike = [row for row in left if overlap(best[1], row[1]) > 0.5]
        total = sum(score for score, _ in alike)
        merged.append((best[0], sum(score / total * box for score, box in alike)))
        left = [row for row in left if overlap(best[1], row[1]) <= 0.3]
    return merged


boxes = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(5, 40)] * 2)


@given(st.lists(st.tuples(st.integers(1, 1000), boxes), max_size=12, unique_by=lambda row: row[0]))
def test_overlapping_boxes_become_one_by_their_weights(rows: list[Any]) -> None:
    scores = np.array([score / 1000 for score, _ in rows], np.float32)
    places = np.array([box for _, box in rows], np.float32).reshape(-1, 4)
    found = merge(Detections(places, np.repeat(places[:, None, :2], 5, axis=1), scores))
    expected = slow_merge([(score / 1000, np.array(box, float)) for score, box in rows])
    assert len(found) == len(expected)
    for row, (score, box) in enumerate(expected):
        assert found.scores[row] == pytest.approx(score, abs=1e-6)
        np.testing.assert_allclose(found.boxes[row], box, atol=1e-3)
        np.testing.assert_allclose(found.landmarks[row], np.tile(box[:2], (5, 1)), atol=1e-3)


@pytest.mark.parametrize("smiling", [True, False])
@pytest.mark.parametrize("side", [48, 100, 300, 700, 1500])
def test_a_drawn_face_is_found_at_any_size(
    detector: FaceDetector, draw_face: Any, side: int, smiling: bool
) -> None:
    found = detector.detect(draw_face(side, smiling=smiling))
    assert len(found) == 1
    left, top, width, height = found.boxes[0] / side
    # The drawn skin is 0.52 wide and 0.70 high around (0.5, 0.52).
    assert left + width / 2 == pytest.approx(0.5, abs=0.04)
    assert top + height / 2 == pytest.approx(0.54, abs=0.06)
    assert width == pytest.approx(0.52, abs=0.08)
    assert height == pytest.approx(0.68, abs=0.1)


def test_landmarks_are_the_persons_right_eye_first(detector: FaceDetector, draw_face: Any) -> None:
    landmarks = detector.detect(draw_face(300)).landmarks[0] / 300
    drawn = [(0.39, 0.47), (0.61, 0.47), (0.5, 0.6), (0.41, 0.68), (0.59, 0.68)]
    np.testing.assert_allclose(landmarks, drawn, atol=0.06)


@pytest.mark.parametrize("at", [(0, 0), (64, 32), (331, 147), (439, 279)])
def test_a_moved_face_is_found_where_it_is(
    detector: FaceDetector, draw_face: Any, at: tuple[int, int]
) -> None:
    still = detector.detect(on_ground(draw_face(200), (640, 480), (200, 200)))
    moved = detector.detect(on_ground(draw_face(200), (640, 480), at))
    shift = np.array(at) - 200
    np.testing.assert_allclose(moved.boxes[0, :2], still.boxes[0, :2] + shift, atol=10)
    np.testing.assert_allclose(moved.boxes[0, 2:], still.boxes[0, 2:], atol=12)


def test_an_enlarged_picture_has_its_box_in_its_own_pixels(
    detector: FaceDetector, draw_face: Any
) -> None:
    picture = on_ground(draw_face(200), (640, 480), (200, 200))
    small, large = detector.detect(picture), detector.detect(picture.resize((1920, 1440)))
    np.testing.assert_allclose(large.boxes[0] / 3, small.boxes[0], atol=10)


def test_small_faces_of_a_large_picture_need_the_second_look(
    detector: FaceDetector, draw_face: Any
) -> None:
    picture = on_ground(draw_face(44), (2400, 1600), (1500, 900))
    assert len(detector.detect(picture, small_faces=False)) == 0
    (box,) = detector.detect(picture).boxes
    assert (box[:2] + box[2:] / 2).tolist() == pytest.approx([1522, 923], abs=6)


def test_every_face_is_found_once_best_first(detector: FaceDetector, draw_face: Any) -> None:
    picture = Image.new("RGB", (1200, 400), GROUND)
    for column, side in enumerate((300, 200, 150, 90)):
        picture.paste(draw_face(side), (300 * column, 50))
    found = detector.detect(picture)
    assert len(found) == 4
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (5000, 2), (33, 47), (640, 480), (2000, 900)])
def test_nothing_is_found_where_there_is_none(
    detector: FaceDetector, size: tuple[int, int]
) -> None:
    assert len(detector.detect(Image.new("RGB", size, GROUND))) == 0


@pytest.mark.real_data
def test_most_real_faces_are_found_where_the_dataset_has_them(
    detector: FaceDetector, fer2013: Any
) -> None:
    from fer_fast.faces.loading import load_faces

    pixels = load_faces(fer2013).pixels[:200]
    centres = []
    for face in pixels:
        canvas = Image.new("L", (384, 384), 128)
        canvas.paste(Image.fromarray(face).resize((192, 192)), (96, 96))
        found = detector.detect(canvas.convert("RGB"))
        if len(found):
            left, top, width, height = found.boxes[0]
            centres.append((left + width / 2, top + height / 2))
    assert len(centres) >= 190
    np.testing.assert_allclose(np.median(centres, axis=0), (192, 192), atol=8)
