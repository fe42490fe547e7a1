"""Where pictures come from: arrays, and all that a user named on the command line."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.environment import user_path
from fer_fast.errors import ParameterError
from fer_fast.faces.image import SUFFIXES, PictureError, read_picture, upright_rgb
from fer_fast.faces.readers.folder import named_files
from fer_fast.progress import SILENT, Reporter

Channels = Literal["rgb", "bgr"]

_VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".wmv", ".ts")
)


def read_file(path: Path, name: str) -> bytes:
    """Return a picture file's content, or raise `PictureError` if there is none."""
    try:
        with path.open("rb") as file:
            return read_picture(file, name)
    except OSError as error:
        raise PictureError(
            f"{name} cannot be read ({error.strerror or error})", hint="check the path"
        ) from error


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


def find_sources(inputs: Iterable[str], *, reporter: Reporter = SILENT) -> list[Source]:
    """Return what the user's words name, in their order.

    A word is a picture, a video by its suffix, a folder (its pictures, and those of its folders, by
    suffix and in the order of their names, hidden ones aside), a pattern with ``*``, ``?`` or
    ``[``, the number of a webcam, or ``-`` for one picture on standard input.

    Raises
    ------
    ParameterError
        If a folder or a pattern has no pictures.
    """
    return [source for word in inputs for source in _named(word, reporter)]


def _named(word: str, reporter: Reporter) -> list[Source]:
    path = user_path(word)
    if word == "-":
        return [Source("-", "picture", sys.stdin.buffer.read())]
    if path.is_dir():
        return _required(_in_folder(path, reporter), f"the folder {word} has no pictures")
    if path.exists():
        return [_file(path)]
    if word.isdecimal():
        return [Source(f"webcam {word}", "webcam", int(word))]
    if glob.has_magic(word):
        found = (Path(name) for name in sorted(glob.glob(str(path), recursive=True)))  # noqa: PTH207
        # What a link leads to may be gone: reading it says so.
        files = [_file(name) for name in found if name.is_file() or not name.exists()]
        return _required(files, f"nothing is {word}")
    return [Source(word, "picture", path)]


def _required(sources: list[Source], otherwise: str) -> list[Source]:
    if not sources:
        raise ParameterError(f"{otherwise}: give a picture, a folder, a pattern or a video")
    return sources


def _in_folder(folder: Path, reporter: Reporter) -> list[Source]:
    try:
        return [_file(path) for path in named_files(folder, SUFFIXES | _VIDEO_SUFFIXES, reporter)]
    except OSError as error:
        raise ParameterError(
            f"the folder {folder} cannot be opened ({error.strerror}): allow it"
        ) from error


def _file(path: Path) -> Source:
    is_video = path.suffix.lower() in _VIDEO_SUFFIXES
    return Source(str(path), "video" if is_video else "picture", path)
