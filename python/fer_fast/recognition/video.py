"""Frames of videos and webcams, by OpenCV, which the extra ``video`` brings.

Of the libraries with wheels that read common videos, OpenCV's is the one whose FFmpeg is built
without parts under the GPL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fer_fast.errors import FerFastError, ParameterError
from fer_fast.faces.image import MAX_PIXELS, PictureError

_MISSING_FRAMES = 0.02
"""Share of the announced frames that may be missing: many files only estimate their number."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Attributes
    ----------
    seconds : float
        Since the video's start.
    picture : PIL.Image.Image of mode RGB
    """

    seconds: float
    picture: Image.Image


class Video:
    """An open video or webcam.

    Parameters
    ----------
    source : Path or int
        A file, or a webcam's index.
    name : str
        What messages call it.

    Attributes
    ----------
    n_frames : int
        As the file announces it; 0 where it does not, and for a webcam.
    frames_per_second : float
    error : PictureError or None
        Set after the last frame if the file has announced more of them.

    Raises
    ------
    FerFastError
        If OpenCV is not installed.
    PictureError
        If it cannot be opened, or has frames that are too large.
    """

    def __init__(self, source: Path | int, name: str) -> None:
        # What FFmpeg says about a damaged file is ours to say; read when it is imported.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
        try:
            import cv2
        except ImportError as error:
            raise FerFastError(
                f"{name} needs OpenCV to be read: run `pip install 'fer-fast[video]'`"
            ) from error
        self._cv2 = cv2
        self._name = name
        # As an absolute path, no name is taken for a network address.
        where = source if isinstance(source, int) else str(source.resolve())
        self._capture: Any = cv2.VideoCapture(where)
        if not self._capture.isOpened() and isinstance(source, int):
            raise PictureError(
                f"there is no {name}", hint="check its number and that no other program uses it"
            )
        if not self._capture.isOpened():
            raise PictureError(
                f"{name} cannot be opened", hint="check that it is a video and whole"
            )
        width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise PictureError(
                f"{name} has frames of {width:,} × {height:,} pixels and at most {MAX_PIXELS:,} "
                "are decoded",
                hint="shrink it first",
                kind="size",
            )
        self.frames_per_second = float(self._capture.get(cv2.CAP_PROP_FPS)) or 25.0
        announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.n_frames = max(announced, 0) if isinstance(source, Path) else 0
        self.error: PictureError | None = None

    def frames(self, per_second: float | None = None) -> Iterator[Frame]:
        """Yield the frames, one decoded at a time.

        Parameters
        ----------
        per_second : float or None, default=None
            How many of a second to look at; None: all.
        """
        if per_second is not None and not per_second > 0:
            raise ParameterError(f"{per_second} frames a second: give more than 0")
        step = 0.0 if per_second is None else 1 / per_second
        position, due = 0, 0.0
        while self._capture.grab():
            seconds = self._capture.get(self._cv2.CAP_PROP_POS_MSEC) / 1000
            if not seconds > 0:
                seconds = position / self.frames_per_second
            position += 1
            if seconds + 1e-6 < due:
                continue
            due = max(due + step, seconds)
            read, pixels = self._capture.retrieve()
            if not read:
                break
            yield Frame(seconds, Image.fromarray(pixels[..., ::-1].copy()))
        if position < self.n_frames * (1 - _MISSING_FRAMES) - 1:
            self.error = PictureError(
                f"{self._name} ends after frame {position:,} of {self.n_frames:,}",
                hint="it is cut off or damaged there",
            )

    def close(self) -> None:
        """Let the file or the webcam go."""
        self._capture.release()
