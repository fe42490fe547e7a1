"""Where pictures come from: opening one safely, and finding all that a user named."""

from __future__ import annotations

import glob
import sys
import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fer_fast.errors import DataError, ParameterError

Channels = Literal["rgb", "bgr"]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Formats that are opened: each decoder more is one more that a stranger's file can reach."""

MAX_PIXELS = 64_000_000
"""Pixels of the largest picture that is decoded; it takes three bytes each."""

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
)
_VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv", ".ts"),
)

_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What puts a picture upright, by its EXIF orientation."""

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_WITHOUT_ALPHA = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV")

_OPENING = threading.Lock()
"""Held while a header is read: Python's warning filters belong to all threads."""


class PictureError(DataError):
    """A picture cannot be used.

    Attributes
    ----------
    problem, remedy : str
        What is wrong, and what to do.
    kind : {"type", "size", "content"}
        It is of no known format, too large, or cannot be made sense of.
    """

    def __init__(
        self, problem: str, remedy: str, kind: Literal["type", "size", "content"] = "content"
    ) -> None:
        super().__init__(f"{problem}: {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.kind = kind


def open_picture(
    source: Path | bytes,
    name: str,
    *,
    formats: tuple[str, ...] = FORMATS,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """Decode a picture: upright, its first frame, 8 bits a channel.

    Parameters
    ----------
    source : Path or bytes
        A file, or a file's content.
    name : str
        What messages call it.
    formats : tuple of str
        Pillow's names of the formats to accept.
    max_pixels : int
        A larger picture is refused before it is decoded.

    Returns
    -------
    PIL.Image.Image of mode RGB

    Raises
    ------
    PictureError
        If it is missing, empty, too large, damaged, or of another format.
    """
    content = _content(source, name)
    try:
        with _OPENING, warnings.catch_warnings():
            # Pillow warns of a size that we refuse ourselves, further down.
            warnings.simplefilter("ignore")
            opened = Image.open(BytesIO(content), formats=formats)
    except Image.DecompressionBombError as error:
        raise _too_large(name, "far more", max_pixels) from error
    except UnidentifiedImageError as error:
        raise PictureError(
            f"{name} is no picture of a known format", f"give {', '.join(formats)}", "type"
        ) from error
    # Decoders raise whatever a damaged header makes them stumble over.
    except Exception as error:
        raise _damaged(name, error) from error
    with opened:
        width, height = opened.size
        if width * height > max_pixels:
            raise _too_large(name, f"{width:,} × {height:,}", max_pixels)
        try:
            return upright_rgb(opened, name)
        except PictureError:
            raise
        except Exception as error:
            raise _damaged(name, error) from error


def _content(source: Path | bytes, name: str) -> bytes:
    if isinstance(source, Path):
        try:
            source = source.read_bytes()
        except OSError as error:
            raise PictureError(
                f"{name} cannot be read ({error.strerror or error})", "check the path"
            ) from error
    if not source:
        raise PictureError(f"{name} is empty", "give a picture", "type")
    return source


def _too_large(name: str, size: str, max_pixels: int) -> PictureError:
    return PictureError(
        f"{name} has {size} pixels and at most {max_pixels:,} are decoded",
        "shrink it first",
        "size",
    )


def _damaged(name: str, error: Exception) -> PictureError:
    return PictureError(f"{name} is damaged ({str(error) or type(error).__name__})", "replace it")


def upright_rgb(picture: Image.Image, name: str) -> Image.Image:
    """Return a picture of any mode upright and as 8-bit RGB, with what is transparent on white.

    Raises
    ------
    PictureError
        If its mode, or the range of its values, is not known.
    """
    picture.load()
    mode = picture.mode
    if mode == "F" or mode.startswith("I"):
        rgb = Image.fromarray(_to_8_bits(np.asarray(picture), name)).convert("RGB")
    elif mode in _WITH_ALPHA or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        rgb = Image.new("RGB", picture.size, "white")
        rgb.paste(rgba, mask=rgba.getchannel("A"))
    elif mode in _WITHOUT_ALPHA:
        rgb = picture.convert("RGB")
    else:
        raise PictureError(f"{name} has the colour mode {mode}", "save it as RGB")
    turn = _TURNS.get(_orientation(picture))
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(_EXIF_ORIENTATION, 1))
    # Of damaged EXIF data; every viewer shows such a picture as it is stored.
    except Exception:
        return 1


def _to_8_bits(values: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Scale grey values by the narrowest of the usual ranges that holds them all.

    Whole numbers are 16 bits wide; others range to 1, 255 or 65,535.
    """
    numbers = values.astype(np.float64)
    least, greatest = numbers.min(), numbers.max()
    whole = not np.issubdtype(values.dtype, np.floating)
    # Compared so that a value that is no number is in no range.
    for top in (65535.0,) if whole else (1.0, 255.0, 65535.0):
        if least >= 0 and greatest <= top:
            return np.rint(numbers * (255 / top)).astype(np.uint8)
    raise PictureError(
        f"{name} has grey values from {least:g} to {greatest:g}", "scale them to 0 to 255"
    )


def from_array(array: NDArray[np.generic], channels: Channels = "rgb") -> Image.Image:
    """Return an array as a picture.

    Parameters
    ----------
    array : ndarray of shape (height, width), (height, width, 1), (…, 3) or (…, 4), uint8
        Grey, or colours in the order that `channels` says, with alpha last.
    channels : {"rgb", "bgr"}, default="rgb"
        OpenCV's arrays are BGR.

    Returns
    -------
    PIL.Image.Image of mode RGB

    Raises
    ------
    ParameterError
        If it is no picture.
    """
    if channels not in ("rgb", "bgr"):
        raise ParameterError(f"the channels are {channels!r}: choose rgb or bgr")
    if array.dtype != np.uint8:
        raise ParameterError(
            f"the picture is an array of {array.dtype}: give uint8 from 0 to 255 "
            "(values from 0 to 1: `(255 * array).round().astype(numpy.uint8)`)"
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] in (3, 4) and channels == "bgr":
        array = array[..., [2, 1, 0, 3][: array.shape[2]]]
    if 0 in array.shape or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ParameterError(
            f"the picture is an array of shape {array.shape}: give (height, width) for grey or "
            "(height, width, 3) for colours"
        )
    return upright_rgb(Image.fromarray(np.ascontiguousarray(array)), "the array")


@dataclass(frozen=True)
class Source:
    """Something a user named that has pictures.

    Attributes
    ----------
    name : str
        What rows and messages call it.
    kind : {"picture", "video", "webcam"}
    content : Path, bytes or int
        The file, the content, or the webcam's index.
    """

    name: str
    kind: Literal["picture", "video", "webcam"]
    content: Path | bytes | int


def find_sources(inputs: Iterable[str]) -> list[Source]:
    """Return what the user's words name, in their order.

    A word is a picture, a video by its suffix, a folder (its pictures, and those of its folders, by
    suffix and in the order of their names), a pattern with ``*``, ``?`` or ``[``, the number of a
    webcam, or ``-`` for one picture on standard input.

    Raises
    ------
    ParameterError
        If a folder or a pattern has no pictures.
    """
    return [source for word in inputs for source in _named(word)]


def _named(word: str) -> list[Source]:
    path = Path(word).expanduser()
    if word == "-":
        return [Source("-", "picture", sys.stdin.buffer.read())]
    if path.is_dir():
        return _required(_in_folder(path), f"the folder {word} has no pictures")
    if path.exists():
        return [_file(path)]
    if word.isdecimal():
        return [Source(f"webcam {word}", "webcam", int(word))]
    if glob.has_magic(word):
        found = (Path(name) for name in sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
        return _required([_file(name) for name in found if name.is_file()], f"nothing is {word}")
    return [Source(word, "picture", path)]


def _required(sources: list[Source], otherwise: str) -> list[Source]:
    if not sources:
        raise ParameterError(f"{otherwise}: give a picture, a folder, a pattern or a video")
    return sources


def _in_folder(folder: Path) -> list[Source]:
    known = _SUFFIXES + _VIDEO_SUFFIXES
    return [
        _file(path)
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in known and path.is_file()
    ]


def _file(path: Path) -> Source:
    is_video = path.suffix.lower() in _VIDEO_SUFFIXES
    return Source(str(path), "video" if is_video else "picture", path)
