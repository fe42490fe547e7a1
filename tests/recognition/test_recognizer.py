"""The recogniser as its users call it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_fast.errors import ParameterError
from fer_fast.recognition import ModelError, ModelInfo, PictureError, Recognizer
from fer_fast.recognition.crop import Framing, face_crop
from fer_fast.recognition.detect import FaceDetector


@pytest.fixture(scope="module")
def recognizer(expression_model: Path) -> Recognizer:
    return Recognizer(expression_model, threads=2)


@pytest.fixture(scope="module")
def group(draw_face: Any) -> Image.Image:
    picture = Image.new("RGB", (900, 420), (120, 140, 160))
    picture.paste(draw_face(400), (0, 10))
    picture.paste(draw_face(240, smiling=False), (420, 80))
    picture.paste(draw_face(200), (680, 100))
    return picture


def model_answers(path: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"pixels": crops})[0]


def test_a_face_is_cut_out_framed_and_judged(
    recognizer: Recognizer, expression_model: Path, group: Image.Image
) -> None:
    faces = recognizer.predict(group)
    found = FaceDetector().detect(group)
    assert len(faces) == len(found) == 3
    crops = np.stack(
        [face_crop(group.convert("L"), recognizer.info.framing.square(box)) for box in found.boxes]
    )
    expected = model_answers(expression_model, crops)
    for row, face in enumerate(faces):
        np.testing.assert_array_equal(face.crop, crops[row])
        values = list(face.probabilities.values())
        np.testing.assert_allclose(values, expected[row], atol=1e-6)
        assert tuple(face.probabilities) == recognizer.info.labels
        assert face.label == recognizer.info.labels[expected[row].argmax()]
        least, most = np.sort(expected[row])[-2:]
        assert face.margin == pytest.approx(most - least, abs=1e-6)
        assert face.score == pytest.approx(found.scores[row])
        assert np.shape(face.landmarks) == (5, 2)


def test_every_kind_of_picture_gets_the_same_answer(
    recognizer: Recognizer, group: Image.Image, tmp_path: Path
) -> None:
    path = tmp_path / "group.png"
    group.save(path)
    rgb = np.asarray(group)
    expected = recognizer.predict(group)
    for picture in (path, str(path), path.read_bytes(), rgb, group.convert("RGBA")):
        assert recognizer.predict(picture) == expected
    assert recognizer.predict(np.ascontiguousarray(rgb[..., ::-1]), channels="bgr") == expected
    grey = np.asarray(group.convert("L"))
    assert recognizer.predict(grey) == recognizer.predict(group.convert("L"))
    assert recognizer.predict(grey[..., None]) == recognizer.predict(grey)


def test_many_pictures_get_a_list_each_in_their_order(
    recognizer: Recognizer, group: Image.Image, draw_face: Any
) -> None:
    pictures = [draw_face(120), Image.new("RGB", (50, 50)), group, draw_face(300)]
    lists = recognizer.predict(pictures)
    assert [len(faces) for faces in lists] == [1, 0, 3, 1]
    assert recognizer.predict(iter(pictures)) == lists
    batch = np.stack([np.asarray(draw_face(160)), np.asarray(draw_face(160, smiling=False))])
    assert recognizer.predict(batch) == [recognizer.predict(one) for one in batch]
    greys = np.stack([np.asarray(draw_face(160).convert("L"))] * 2)
    assert len(recognizer.predict(greys)) == 2
    assert recognizer.predict([]) == []


def test_threads_and_company_change_nothing(
    expression_model: Path, group: Image.Image, draw_face: Any
) -> None:
    pictures = [group, *(draw_face(side) for side in range(100, 300, 10))]
    lists = [Recognizer(expression_model, threads=n).predict(pictures) for n in (1, 3)]
    assert lists[0] == lists[1]
    for alone, together in zip(
        map(Recognizer(expression_model).predict, pictures), lists[0], strict=True
    ):
        for one, other in zip(alone, together, strict=True):
            assert one.box == other.box
            np.testing.assert_allclose(
                list(one.probabilities.values()), list(other.probabilities.values()), atol=1e-5
            )


FORKED = """
import os, sys
import numpy as np
from fer_fast import Recognizer
recognizer = Recognizer(sys.argv[1], threads=2)
faces = np.random.default_rng(0).integers(0, 256, (80, 48, 48), np.uint8)
expected = recognizer.probabilities(faces)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(recognizer.probabilities(faces), expected) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_recognizer_that_has_answered_answers_in_a_fork(expression_model: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKED, str(expression_model)]
    assert subprocess.run(command, timeout=60).returncode == 0


def test_pictures_are_taken_as_they_are_needed(recognizer: Recognizer, draw_face: Any) -> None:
    taken = 0
    picture = draw_face(64)

    def endless() -> Iterator[Image.Image]:
        nonlocal taken
        while True:
            taken += 1
            yield picture

    stream = recognizer.stream(endless())
    for _ in range(40):
        assert len(next(stream).faces) == 1
    stream.close()
    assert taken < 100


def test_the_largest_face_alone(recognizer: Recognizer, group: Image.Image) -> None:
    (face,) = recognizer.predict(group, faces="largest")
    everyone = recognizer.predict(group)
    assert face == max(everyone, key=lambda one: one.box.width * one.box.height)


def test_with_faces_none_the_picture_is_the_face(
    recognizer: Recognizer, faces: NDArray[np.uint8]
) -> None:
    cut = recognizer.predict_faces(faces[:5])
    whole = recognizer.predict(list(faces[:5]), faces="none")
    assert [face.label for face in cut] == [face.label for (face,) in whole]
    for one, (other,) in zip(cut, whole, strict=True):
        assert one == other
        assert other.score is None
        assert other.landmarks == ()


def test_faces_cut_out_already_are_what_the_model_says(
    recognizer: Recognizer, expression_model: Path, faces: NDArray[np.uint8]
) -> None:
    many = np.concatenate([faces] * 5)
    expected = model_answers(expression_model, many)
    np.testing.assert_allclose(recognizer.probabilities(many), expected, atol=1e-5)
    found = recognizer.predict_faces(many)
    assert [face.label for face in found] == [
        recognizer.info.labels[label] for label in expected.argmax(axis=1)
    ]
    assert recognizer.predict_faces(faces[:0]) == []
    assert recognizer.probabilities(faces[:0]).shape == (0, 7)


def test_boxes_are_in_the_pixels_of_the_upright_picture(
    recognizer: Recognizer, draw_face: Any
) -> None:
    picture = Image.new("RGB", (700, 300), (120, 140, 160))
    picture.paste(draw_face(280), (400, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = BytesIO()
    # As a camera held upright stores it: turned by a quarter.
    picture.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    (turned,) = recognizer.predict(file.getvalue())
    (straight,) = recognizer.predict(picture)
    assert turned.box == straight.box


def test_a_face_at_the_border_has_its_box_within_the_picture(
    recognizer: Recognizer, draw_face: Any
) -> None:
    picture = draw_face(400).crop((0, 150, 400, 400))
    for face in recognizer.predict(picture):
        assert face.box.left >= 0
        assert face.box.top >= 0
        assert face.box.left + face.box.width <= 400
        assert face.box.top + face.box.height <= 250


def test_a_bad_picture_is_named_and_a_stream_goes_on(
    recognizer: Recognizer, draw_face: Any, tmp_path: Path
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"text")
    pictures = [draw_face(80), tmp_path / "bad.jpg", b"", np.zeros((3, 3), float), 7, draw_face(80)]
    predictions = list(recognizer.stream(pictures))  # type: ignore[arg-type]
    assert [prediction.error is None for prediction in predictions] == [
        *(True, False, False, False, False, True)
    ]
    assert "bad.jpg" in str(predictions[1].error)
    assert "picture 3 is no readable picture (it is empty)" in str(predictions[2].error)
    with pytest.raises(PictureError, match=r"bad\.jpg"):
        recognizer.predict(pictures[:2])  # type: ignore[arg-type]


def test_more_faces_than_allowed_are_an_error(recognizer: Recognizer, group: Image.Image) -> None:
    (prediction,) = recognizer.stream([group], max_faces=2)
    assert "3 faces and at most 2" in str(prediction.error)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [({"faces": "some"}, "all, largest or none"), ({"channels": "gbr"}, "rgb or bgr")],
)
def test_an_unknown_choice_names_the_known_ones(
    recognizer: Recognizer, keywords: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        recognizer.predict(np.zeros((9, 9, 3), np.uint8), **keywords)


@pytest.mark.parametrize(
    "crops",
    [np.zeros((48, 48), np.uint8), np.zeros((2, 47, 48), np.uint8), np.zeros((2, 48, 48))],
    ids=["one", "another size", "float"],
)
def test_wrong_crops_are_refused(recognizer: Recognizer, crops: Any) -> None:
    with pytest.raises(ParameterError, match=r"\(n, 48, 48\)"):
        recognizer.predict_faces(crops)


def changed(path: Path, out: Path, **metadata: str | None) -> Path:
    """Return a copy of a model whose metadata are changed; None removes a key."""
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    for key, value in metadata.items():
        properties.pop(f"fer_fast.{key}", None)
        if value is not None:
            properties[f"fer_fast.{key}"] = value
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, properties)
    onnx.save(model, out)
    return out


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format": None}, "none of fer-fast's"),
        ({"format": "2"}, "upgrade"),
        ({"labels": None}, "damaged"),
        ({"labels": "[1"}, "damaged"),
        ({"labels": '["a", "a", "b", "c", "d", "e", "f"]'}, "all different"),
        ({"labels": '["a", "b"]'}, "inputs and outputs"),
        ({"crop": '{"side": "wide"}'}, "damaged"),
        ({"scores": "[1]"}, "damaged"),
        ({"input_size": "64"}, "64 pixels"),
        ({"face_bytes": "0"}, "takes 0 bytes"),
        ({"face_bytes": "many"}, "damaged"),
    ],
    ids=str,
)
def test_a_file_that_is_no_model_of_ours_says_why(
    expression_model: Path, tmp_path: Path, metadata: dict[str, str | None], words: str
) -> None:
    with pytest.raises((ModelError, ParameterError), match=words):
        Recognizer(changed(expression_model, tmp_path / "model.onnx", **metadata))


@pytest.mark.parametrize("text", [b"fer_fast.labels", b"probabilities", b"Softmax"])
def test_a_model_with_a_name_that_is_no_text_is_refused(
    expression_model: Path, tmp_path: Path, text: bytes
) -> None:
    path = tmp_path / "model.onnx"
    content = expression_model.read_bytes()
    assert text in content
    path.write_bytes(content.replace(text, b"\xa8" + text[1:]))
    with pytest.raises(ModelError):
        Recognizer(path)


def test_metadata_that_is_nested_without_end_is_refused(
    expression_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="damaged"):
        Recognizer(changed(expression_model, tmp_path / "model.onnx", scores="[" * 100_000))


def test_missing_damaged_and_foreign_files_say_so(
    expression_model: Path, plain_backbone: Path, tmp_path: Path
) -> None:
    content = expression_model.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "empty.onnx").touch()
    for name in ("cut.onnx", "text.onnx", "empty.onnx", "missing.onnx", "."):
        with pytest.raises(ModelError, match=r"give (a|the path of a) model\.onnx"):
            Recognizer(tmp_path / name)
    with pytest.raises(ModelError, match="none of fer-fast's"):
        Recognizer(plain_backbone)


def test_other_classes_are_said_by_their_names(
    expression_model: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    names = '["a", "b", "c", "d", "e", "f", "contempt"]'
    other = Recognizer(changed(expression_model, tmp_path / "model.onnx", labels=names))
    assert tuple(other.predict_faces(faces[:1])[0].probabilities) == (*"abcdef", "contempt")


def test_a_model_says_its_framing_and_is_cut_by_it(
    expression_model: Path, group: Image.Image, tmp_path: Path
) -> None:
    crop = '{"side": 1.5, "centre": [0.1, 0.0]}'
    wide = Recognizer(changed(expression_model, tmp_path / "model.onnx", crop=crop))
    assert wide.info.framing == Framing(1.5, (0.1, 0.0))
    box = FaceDetector().detect(group).boxes[0]
    expected = face_crop(group.convert("L"), wide.info.framing.square(box))
    np.testing.assert_array_equal(wide.predict(group)[0].crop, expected)


def test_metadata_come_back_as_they_went_in() -> None:
    info = ModelInfo(
        ("b", "a", "ü"),
        Framing(0.9, (0.01, -0.02)),
        version="1.2",
        run_id="r",
        data_digest="d",
        backbone_digest="b",
        parameters={"trees": 90, "nested": {"a": [1, 2]}},
        calibration={"temperature": 1.5},
        scores={"protocol": "p", "accuracy": 0.5},
        author="me",
        license="MIT",
        face_bytes=12_345,
    )
    metadata = info.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert ModelInfo.from_metadata(metadata, "it") == info


def test_prediction_imports_numpy_onnx_runtime_and_pillow_alone(
    expression_model: Path, draw_face: Any, tmp_path: Path
) -> None:
    draw_face(200).save(tmp_path / "face.png")
    program = (
        "import sys\n"
        "from fer_fast.recognition import Recognizer\n"
        "faces = Recognizer(sys.argv[1]).predict(sys.argv[2])\n"
        "assert len(faces) == 1\n"
        "heavy = {'sklearn', 'scipy', 'tensorflow', 'keras', 'pandas', 'onnx', 'joblib', 'h5py'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "import os\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(expression_model), str(tmp_path / "face.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["[]", "1"]


def test_a_model_may_lie_anywhere(expression_model: Path, tmp_path: Path) -> None:
    odd = tmp_path / "ordner mit ümlaut" / "modèle 1.onnx"
    odd.parent.mkdir()
    shutil.copy(expression_model, odd)
    assert Recognizer(str(odd)).info.run_id == "a-run"
