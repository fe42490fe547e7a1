"""Pictures as pixels: the only place that decodes a picture file.

A file is what Pillow takes it for by its content, among `FORMATS`; its suffix only tells that it is
meant as a picture. Whatever cannot be brought to 8 bits without a guess is refused by name.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from fer_fast.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM")
"""Pillow's names of the formats that are read."""

SUFFIXES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".webp", ".pbm", ".pgm", ".ppm", ".pnm", ".pfm"),
    )
)
"""Suffixes of files that are meant as pictures of these formats, in lower case."""

MAX_PIXELS = 80_000_000
"""Of a larger picture nothing is unpacked: a small file may claim to be one."""

_MAX_BYTES = 1 << 28

# How a picture that the camera took on its side is turned upright, by EXIF's orientation.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA_MODES = ("LA", "PA", "La", "RGBA", "RGBa")
_WHITE_IS_ZERO = 0
_BITS_TAG, _PHOTOMETRIC_TAG = 258, 262

_FILTERING = threading.Lock()
"""Python's warning filters belong to all threads."""


class PictureError(DataError):
    """A picture cannot be used.

    Attributes
    ----------
    kind : {"format", "size", "content"}
        It is of no known format, too large, or cannot be made sense of.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        kind: Literal["format", "size", "content"] = "content",
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


def read_picture(file: BinaryIO, name: str) -> bytes:
    """Return the content of a picture file, unless it is larger than any picture should be.

    Raises
    ------
    DataError
        If it is larger than 256 MiB.
    """
    content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise DataError(
            f"{name} is larger than {_MAX_BYTES >> 20} MiB, too large for a picture",
            hint="replace or remove it",
        )
    return content


def decode_grey(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decode a picture's first frame, upright, to 8-bit grey.

    Colours are weighted by ITU-R BT.601, transparent parts lie on white, and deeper pixels are
    scaled so that white stays white: 65,535 for 16 bits; 1 for floating point within 0 to 1, else
    255.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray of shape (height, width), uint8

    Raises
    ------
    PictureError
        If it is no picture of a known format, is damaged, too large, or of a mode without a known
        white.
    """
    return np.asarray(_decoded(content, name, "L"))


def resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return a picture in another size, bilinear, and averaged where it shrinks."""
    if pixels.shape[:2] == (height, width):
        return pixels
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def mirror(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return grey pictures, of shape (…, height, width), with left and right exchanged."""
    return np.ascontiguousarray(pixels[..., ::-1])


def decode_picture(
    content: bytes,
    name: str,
    *,
    formats: tuple[str, ...] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decode a picture's first frame, upright, to 8-bit colours, as Pillow has it.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What to call it in messages.
    formats : tuple of str
        Which of `FORMATS` to accept.
    max_pixels : int
        A larger picture is refused before anything is unpacked.

    Returns
    -------
    PIL.Image.Image of mode RGB

    Raises
    ------
    PictureError
        As `decode_grey` does.
    """
    return _decoded(content, name, "RGB", formats, max_pixels)


def upright_rgb(picture: Image.Image, name: str) -> Image.Image:
    """Return an opened picture upright and with 8-bit colours; else as `decode_picture`."""
    try:
        picture.load()
        return _turned_upright(picture, _to_8_bits(picture).convert("RGB"))
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(name, error) from error


class _RefusedError(Exception):
    """Says what is wrong with a picture."""


def _decoded(
    content: bytes,
    name: str,
    mode: str,
    formats: tuple[str, ...] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    try:
        with _quiet():
            opened = Image.open(BytesIO(content), formats=formats)
        with opened as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise _too_large(name, f"{width:,}×{height:,} pixels, more than {max_pixels:,}")
            picture.load()
            return _turned_upright(picture, _to_8_bits(picture).convert(mode))
    except (MemoryError, PictureError):
        raise
    except UnidentifiedImageError as error:
        kinds = ", ".join(formats)
        # What Pillow says of it names an object in memory.
        reason = "cannot identify its format" if content else "it is empty"
        raise PictureError(
            f"{name} is no readable picture ({reason})", hint=f"give {kinds}", kind="format"
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, f"more than {max_pixels:,} pixels") from error
    # Pillow promises OSError, but its decoders raise whatever bytes out of place lead to:
    # SyntaxError, ValueError, struct.error, IndexError, zlib.error and more.
    except Exception as error:
        raise _unreadable(name, error) from error


def _too_large(name: str, size: str) -> PictureError:
    return PictureError(
        f"{name} is no readable picture (it has {size})", hint="shrink it first", kind="size"
    )


def _unreadable(name: str, error: Exception) -> PictureError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return PictureError(
        f"{name} is no readable picture ({reason})", hint="replace or remove it", kind="content"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Pillow's warnings of sizes and damage, which are ours to judge, from the terminal."""
    with _FILTERING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _turned_upright(picture: Image.Image, decoded: Image.Image) -> Image.Image:
    orientation = None
    # A damaged EXIF block tells no orientation; the picture itself is sound.
    with suppress(Exception), _quiet():
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    turn = _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return decoded if turn is None else decoded.transpose(turn)


def _to_8_bits(picture: Image.Image) -> Image.Image:
    """Return the picture in a mode of 8 bits that Pillow converts to grey and to RGB."""
    mode = picture.mode
    if mode.startswith("I;16"):
        return _from_integers(picture, _white_of_16_bits(picture))
    if mode == "I" and picture.format in ("PNG", "PPM"):
        # Pillow's older way to hold the 16 bits of these formats.
        return _from_integers(picture, 65535)
    if mode == "F":
        return _from_floats(picture)
    if mode in _ALPHA_MODES or picture.has_transparency_data:
        opaque = picture.convert("RGBA")
        white = Image.new("RGBA", opaque.size, "white")
        flat = Image.alpha_composite(white, opaque).convert("RGB")
        return flat.getchannel("R") if mode in ("L", "LA", "La") else flat
    if mode in ("CMYK", "HSV", "P", "RGBX"):
        return picture.convert("RGB")
    if mode in ("1", "L", "RGB", "YCbCr"):
        return picture
    raise _RefusedError(
        f"its pixels are of Pillow's mode {mode}, whose white is unknown; save it with 8 or 16 bits"
    )


def _white_of_16_bits(picture: Image.Image) -> int:
    if picture.format != "TIFF":
        return 65535
    bits = picture.tag_v2.get(_BITS_TAG, (16,))  # type: ignore[attr-defined]
    return int((1 << bits[0]) - 1)


def _from_integers(picture: Image.Image, white: int) -> Image.Image:
    if "transparency" in picture.info:
        raise _RefusedError("it marks one of its 16-bit tones as transparent; save it without")
    values = np.asarray(picture).astype(np.int64).clip(0, white)
    if picture.format == "TIFF":
        photometric = picture.tag_v2.get(_PHOTOMETRIC_TAG)  # type: ignore[attr-defined]
        if photometric == _WHITE_IS_ZERO:
            values = white - values
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8))


def _from_floats(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 255):
        raise _RefusedError(
            "its floating-point pixels leave the ranges 0 to 1 and 0 to 255; scale them to either"
        )
    scale = 255 if values.max() <= 1 else 1
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))
