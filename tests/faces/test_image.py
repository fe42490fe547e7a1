"""Pictures of every mode come to the same grey, upright, or are refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.image import MAX_PIXELS, decode_grey, decode_picture, mirror, resize

GREY = np.random.default_rng(0).integers(0, 256, (32, 48)).astype(np.uint8)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    packed = io.BytesIO()
    picture.save(packed, kind, **options)
    return packed.getvalue()


def as_array(dtype: str, scale: float) -> Image.Image:
    return Image.fromarray((GREY * np.float64(scale)).astype(dtype))


def tiff_with_tag(content: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF with another value of a short tag."""
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    changed = bytearray(content)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry) == (tag,):
            struct.pack_into("<H", changed, entry + 8, value)
    return bytes(changed)


LOSSLESS = {
    "8 bits": encoded(Image.fromarray(GREY)),
    "16-bit PNG": encoded(as_array("uint16", 257)),
    "16-bit TIFF": encoded(as_array("uint16", 257), "TIFF"),
    "16-bit TIFF whose white is zero": tiff_with_tag(
        encoded(Image.fromarray(65535 - GREY.astype(np.uint16) * 257), "TIFF"), 262, 0
    ),
    "16-bit PGM": b"P5 48 32 65535\n" + (GREY.astype(">u2") * 257).astype(">u2").tobytes(),
    "PGM of 10 bits": b"P5 48 32 1020\n" + (GREY.astype(">u2") * 4).astype(">u2").tobytes(),
    "float from 0 to 1": encoded(as_array("float32", 1 / 255), "TIFF"),
    "float from 0 to 255": encoded(as_array("float32", 1), "TIFF"),
    "PFM": b"Pf\n48 32\n-1.0\n" + (GREY[::-1] / 255).astype("<f4").tobytes(),
    "palette": encoded(Image.fromarray(GREY).convert("P")),
    "RGB": encoded(Image.fromarray(GREY).convert("RGB")),
    "opaque alpha": encoded(Image.fromarray(GREY).convert("RGBA")),
    "grey with opaque alpha": encoded(Image.fromarray(GREY).convert("LA")),
    "CMYK": encoded(Image.fromarray(GREY).convert("CMYK"), "TIFF"),
    "BMP": encoded(Image.fromarray(GREY), "BMP"),
    "GIF": encoded(Image.fromarray(GREY), "GIF"),
    "the first frame of two": encoded(
        Image.fromarray(GREY), "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)]
    ),
    "lossless WebP": encoded(Image.fromarray(GREY).convert("RGB"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_every_mode_comes_to_the_same_tones(kind: str) -> None:
    assert np.array_equal(decode_grey(LOSSLESS[kind], kind), GREY)
    colours = np.asarray(decode_picture(LOSSLESS[kind], kind))
    assert np.array_equal(colours, np.repeat(GREY[..., None], 3, axis=2))


def test_black_and_white_stay_black_and_white() -> None:
    bits = GREY > 127
    assert np.array_equal(decode_grey(encoded(Image.fromarray(bits)), "bits"), bits * np.uint8(255))


def test_what_is_transparent_lies_on_white() -> None:
    alpha = np.zeros_like(GREY)
    alpha[:, :20] = 255
    for mode in ("RGBA", "LA"):
        picture = Image.fromarray(GREY).convert(mode)
        picture.putalpha(Image.fromarray(alpha))
        expected = np.where(alpha == 255, GREY, 255)
        assert np.array_equal(decode_grey(encoded(picture), mode), expected)
    one_tone = decode_grey(encoded(Image.fromarray(GREY), transparency=int(GREY[0, 0])), "L")
    assert np.array_equal(one_tone, np.where(GREY[0, 0] == GREY, 255, GREY))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_that_was_taken_on_its_side_is_turned(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = {
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: np.rot90(GREY, -1),
        7: GREY[::-1, ::-1].T,
        8: np.rot90(GREY),
    }
    assert np.array_equal(
        decode_grey(encoded(Image.fromarray(GREY), exif=exif), "turned"), shown[orientation]
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(as_array("int32", 1), "TIFF"), "mode I,"),
        (encoded(Image.new("LAB", (4, 4)), "TIFF"), "mode LAB"),
        (encoded(as_array("float32", 2), "TIFF"), "leave the ranges"),
        (encoded(as_array("float32", -1), "TIFF"), "leave the ranges"),
        (encoded(as_array("float32", np.nan), "TIFF"), "leave the ranges"),
        (encoded(Image.fromarray(GREY), "JPEG2000"), "cannot identify"),
        (b"", "it is empty"),
        (LOSSLESS["8 bits"][:-30], "truncated"),
    ],
)
def test_what_has_no_known_white_or_is_no_picture_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"^sad/1\.png is no readable picture .*{words}"):
        decode_grey(content, "sad/1.png")


def chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def test_a_small_file_that_claims_to_be_a_large_picture_is_refused() -> None:
    for side in (9_000, 60_000):
        assert side * side > MAX_PIXELS
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        with pytest.raises(DataError, match="pixels"):
            decode_grey(bomb, "bomb.png")


PICTURES = [*LOSSLESS.values(), encoded(Image.fromarray(GREY), "JPEG")]


@given(
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=20),
    st.floats(0, 1),
)
def test_any_change_gives_a_picture_or_a_sentence(
    content: bytes, changes: list[tuple[int, int]], kept: float
) -> None:
    changed = bytearray(content)
    for place, value in changes:
        # Headers are where decoders stumble, so half of the changes go there.
        changed[place % (len(changed) if place % 2 else min(len(changed), 120))] = value
    for candidate in (bytes(changed), bytes(changed[: int(len(changed) * kept)])):
        try:
            assert decode_grey(candidate, "changed").dtype == np.uint8
        except DataError:
            continue


def test_resizing_and_mirroring() -> None:
    assert resize(GREY, 32, 48) is GREY
    assert resize(GREY, 16, 24).shape == (16, 24)
    flat = np.full((10, 20), 77, np.uint8)
    assert (resize(flat, 48, 48) == 77).all()
    assert np.array_equal(mirror(GREY), np.fliplr(GREY))
    assert mirror(np.stack([GREY, GREY])).shape == (2, 32, 48)
