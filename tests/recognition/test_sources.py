"""Opening pictures of every kind and quality."""

from __future__ import annotations

import os
import struct
import sys
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_fast.errors import ParameterError
from fer_fast.faces.image import PictureError, decode_picture
from fer_fast.recognition.sources import Source, find_sources, from_array, read_file

RAMP = np.add.outer(np.arange(24), 2 * np.arange(32)).astype(np.uint8)


def encoded(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def grey(content: bytes) -> Any:
    return np.asarray(decode_picture(content, "it").convert("L"))


@pytest.mark.parametrize(
    ("picture", "form"),
    [
        (Image.fromarray(RAMP), "PNG"),
        (Image.fromarray(RAMP).convert("RGB"), "PNG"),
        (Image.fromarray(RAMP).convert("RGBA"), "PNG"),
        (Image.fromarray(RAMP).convert("LA"), "PNG"),
        (Image.fromarray(RAMP).convert("P"), "GIF"),
        (Image.fromarray(RAMP).convert("RGB").convert("CMYK"), "TIFF"),
        (Image.fromarray(RAMP.astype(np.uint16) * 257), "PNG"),
        (Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF"),
        (Image.fromarray(RAMP / np.float32(255)), "TIFF"),
        (Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        (Image.fromarray(RAMP), "BMP"),
        (Image.fromarray(RAMP), "PPM"),
        (Image.fromarray(RAMP).convert("RGB"), "WEBP"),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_each_mode_and_depth_has_the_same_grey_values(picture: Image.Image, form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    np.testing.assert_allclose(grey(encoded(picture, form, **options)).astype(int), RAMP, atol=2)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_both_kinds_have_their_grey_values(mode: str) -> None:
    picture = Image.fromarray(RAMP).convert("RGB").convert(mode)
    found = grey(encoded(picture, "JPEG", quality=100, subsampling=0))
    np.testing.assert_allclose(found.astype(int), RAMP, atol=6)


def test_what_is_transparent_is_white() -> None:
    picture = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((1, 1), (0, 0, 0, 255))
    picture.putpixel((2, 2), (0, 0, 0, 128))
    found = grey(encoded(picture))
    assert found[0, 0] == 255
    assert found[1, 1] == 0
    assert found[2, 2] == pytest.approx(127, abs=1)
    palette = Image.new("P", (4, 4), 3)
    palette.putpalette([0] * 768)
    assert (grey(encoded(palette, transparency=3)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    # How a camera stores an upright picture for each orientation (EXIF 2.3, tag 274).
    stored = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.T,
        6: np.rot90(RAMP),
        7: RAMP[::-1, ::-1].T,
        8: np.rot90(RAMP, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif.tobytes())
    np.testing.assert_array_equal(grey(content), RAMP)


def test_a_damaged_exif_block_leaves_the_picture_as_it_is() -> None:
    content = encoded(Image.fromarray(RAMP), exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(grey(content), RAMP)


def test_of_an_animation_the_first_picture_counts() -> None:
    frames = [Image.new("L", (8, 8), value) for value in (10, 200, 90)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (grey(content) == 10).all()


def huge_png(width: int, height: int) -> bytes:
    """Return the head of a PNG that claims a size; nobody may come to its pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 10_000), (2_000_001, 40)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with (
        warnings.catch_warnings(),
        pytest.raises(PictureError, match="more than 80,000,000") as caught,
    ):
        warnings.simplefilter("error")
        decode_picture(huge_png(*size), "bomb.png")
    assert caught.value.kind == "size"


def test_one_pixel_is_a_picture() -> None:
    assert decode_picture(encoded(Image.new("L", (1, 1), 7)), "it").size == (1, 1)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "format", "empty"),
        (b"plain text", "format", "cannot identify"),
        (encoded(Image.fromarray(RAMP), "ICO"), "format", "cannot identify"),
        (encoded(Image.new("RGB", (300, 300)), "JPEG")[:800], "content", "truncated"),
        (encoded(Image.new("LAB", (8, 8)), "TIFF"), "content", "LAB"),
        (encoded(Image.fromarray(np.full((2, 2), -5, np.float32)), "TIFF"), "content", "ranges"),
        (
            encoded(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"),
            "content",
            "ranges",
        ),
        (encoded(Image.fromarray(np.full((2, 2), 1 << 20, np.int32)), "TIFF"), "content", "mode I"),
    ],
    ids=["empty", "text", "icon", "truncated", "lab", "negative", "nan", "32 bits"],
)
def test_what_is_no_usable_picture_says_why(content: bytes, kind: str, words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        decode_picture(content, "it.jpg")
    assert caught.value.kind == kind
    assert str(caught.value).startswith("it.jpg ")


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(PictureError, match="cannot be read"):
            read_file(path, path.name)


@settings(max_examples=300)
@given(st.data())
def test_no_damage_raises_anything_but_a_picture_error(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"]))
    content = bytearray(encoded(Image.fromarray(RAMP).convert("RGB"), form))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        opened = decode_picture(bytes(content[: data.draw(st.integers(1, len(content)))]), "it")
    except PictureError:
        pass
    else:
        assert opened.mode == "RGB"


def test_arrays_are_grey_or_colours_as_told() -> None:
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[..., 0] = 200
    for channels, expected in (("rgb", (200, 0, 0)), ("bgr", (0, 0, 200))):
        assert from_array(colours, channels).getpixel((0, 0)) == expected  # type: ignore[arg-type]
    assert from_array(RAMP).getpixel((3, 1)) == (7, 7, 7)
    assert from_array(RAMP[..., None]).getpixel((3, 1)) == (7, 7, 7)
    opaque = np.dstack([colours, np.full((2, 3), 255, np.uint8)])
    assert from_array(opaque, "bgr").getpixel((0, 0)) == (0, 0, 200)


@pytest.mark.parametrize(
    "array",
    [
        RAMP.astype(np.float32),
        RAMP.astype(np.int64),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=["float", "int64", "two channels", "five channels", "no rows", "a line"],
)
def test_an_array_that_is_no_picture_says_what_is_wanted(array: Any) -> None:
    with pytest.raises(ParameterError, match="give"):
        from_array(array)


def test_words_name_files_folders_patterns_videos_and_webcams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["b/2.PNG", "b/1.jpg", "a.png", "b/deep/3.webp", "b/film.mp4", "b/note.txt", "odd"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": BytesIO(b"bytes")}))

    def names_of(*words: str) -> list[tuple[str, str]]:
        return [(source.name, source.kind) for source in find_sources(words)]

    assert names_of("b") == [
        ("b/1.jpg", "picture"),
        ("b/2.PNG", "picture"),
        ("b/deep/3.webp", "picture"),
        ("b/film.mp4", "video"),
    ]
    assert names_of("odd", "missing.png") == [("odd", "picture"), ("missing.png", "picture")]
    assert names_of("b/[12].*", "*.png") == [
        ("b/1.jpg", "picture"),
        ("b/2.PNG", "picture"),
        ("a.png", "picture"),
    ]
    assert find_sources(["0"]) == [Source("webcam 0", "webcam", 0)]
    assert find_sources(["-"]) == [Source("-", "picture", b"bytes")]


@pytest.mark.parametrize("word", ["empty", "*.nothing"])
def test_a_folder_or_pattern_without_pictures_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="give a picture"):
        find_sources([word])


def test_a_folder_is_walked_as_a_data_set_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorder: Any
) -> None:
    album = tmp_path / "album"
    names = ["a.png", "._a.png", ".trash/b.png", "@eaDir/c.png", "closed/d.png", "open/e.png"]
    for name in names:
        (album / name).parent.mkdir(parents=True, exist_ok=True)
        (album / name).write_bytes(b"x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "f.png").write_bytes(b"x")
    (album / "linked").symlink_to(tmp_path / "elsewhere")
    (album / "linked" / "loop").symlink_to(album)
    (album / "gone.png").symlink_to(tmp_path / "nowhere")
    (album / "gone.txt").symlink_to(tmp_path / "nowhere")
    scan = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = [source.name for source in find_sources([str(album)], reporter=recorder)]
    shown = [str(Path(name).relative_to(album)) for name in found]
    assert shown == ["a.png", "gone.png", "linked/f.png", "open/e.png"]
    (warning,) = recorder.warnings
    assert "closed cannot be opened (Permission denied)" in warning


def test_a_link_that_a_pattern_finds_is_read_though_it_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    (source,) = find_sources([str(tmp_path / "*.png")])
    with pytest.raises(PictureError, match=r"gone\.png"):
        read_file(Path(source.name), source.name)
