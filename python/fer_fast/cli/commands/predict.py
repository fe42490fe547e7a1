"""Find the faces in pictures, folders, videos or a webcam, and say their expressions.

An INPUT is a picture, a folder, a pattern, a video, the number of a webcam, or - for standard
input. A picture without a face says so, and one that cannot be read is a row with the reason.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fer_fast.cli.interrupt import keeping
from fer_fast.cli.options import as_path
from fer_fast.cli.streams import GuardedStream
from fer_fast.progress import SILENT

if TYPE_CHECKING:
    from rich.console import Console

    from fer_fast.cli.rows import Rows
    from fer_fast.progress import Reporter
    from fer_fast.recognition import Prediction, Recognizer
    from fer_fast.recognition.sources import Source
    from fer_fast.recognition.video import Video

NAME = "predict"
HELP = "say the expressions of faces in pictures, videos or a webcam"
EXAMPLES = """\
examples:
  fer-fast predict photo.jpg
  fer-fast predict album/ --format csv > faces.csv
  fer-fast predict film.mp4 --fps 5 --annotate frames/
  cat photo.jpg | fer-fast predict -
"""

_USER_ERROR = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="what to look at")
    add_model_options(parser)
    group = parser.add_argument_group("predict")
    group.add_argument(
        "--faces",
        choices=("all", "largest", "none"),
        default="all",
        help="which faces of a picture; none: the picture is a face (default: all)",
    )
    group.add_argument(
        "--format",
        choices=("table", "csv", "jsonl"),
        default="table",
        help="how to print (default: table; a video's has a line for each second)",
    )
    group.add_argument(
        "--annotate",
        type=as_path,
        metavar="DIR",
        help="write the pictures, and a frame for each second of video, with boxes and bars",
    )
    group.add_argument(
        "--fps",
        type=float,
        metavar="N",
        help="frames of a second of video to look at (default: all)",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a model and where it computes."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model", type=as_path, metavar="FILE", help="a model.onnx (default: the bundled one)"
    )
    group.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where the model computes (default: cpu)",
    )
    group.add_argument(
        "--jobs", type=int, metavar="N", help="pictures worked on at a time (default: all CPUs)"
    )


def run(options: argparse.Namespace, stdout: Console, reporter: Reporter) -> int:
    """Run the command and return its exit status."""
    from fer_fast.cli.rows import FORMATS
    from fer_fast.recognition import Recognizer
    from fer_fast.recognition.sources import find_sources

    sources = find_sources(options.inputs, reporter=reporter)
    recognizer = Recognizer(options.model, device=options.device, threads=options.jobs)
    # On a terminal, progress and rows share the screen; elsewhere rows go past the display.
    out = _Screen() if stdout.is_terminal else stdout.file
    rows = FORMATS[options.format](out, recognizer.info.labels)
    looker = _Looker(recognizer, rows, options, reporter, cast(GuardedStream, stdout.file))
    with suppress(_ReaderLeftError):
        for is_picture, group in groupby(sources, key=lambda source: source.kind == "picture"):
            if is_picture:
                looker.look_at_pictures(list(group))
            else:
                for source in group:
                    looker.look_at_video(source)
    rows.close()
    if looker.unreadable:
        reporter.warn(f"{looker.unreadable:,} of {len(sources):,} inputs could not be read whole")
    return 0 if looker.read else _USER_ERROR


class _ReaderLeftError(Exception):
    """Nobody reads the rows any more: a webcam would go on for ever."""


class _Screen:
    """Standard output at the moment of writing: a live display puts itself in its place."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)


class _Looker:
    """Looks at inputs, and counts what could be read: pictures or frames, and inputs not whole."""

    def __init__(
        self,
        recognizer: Recognizer,
        rows: Rows,
        options: argparse.Namespace,
        reporter: Reporter,
        stream: GuardedStream,
    ) -> None:
        self._recognizer = recognizer
        self._rows = rows
        self._stdout = stream
        self._faces = options.faces
        self._per_second = options.fps
        self._annotations: Path | None = options.annotate
        self._annotated: set[Path] = set()
        self._reporter = reporter
        self.read = 0
        self.unreadable = 0

    def look_at_pictures(self, sources: list[Source]) -> None:
        contents: Iterable[Any] = (source.content for source in sources)
        predictions = self._stream(contents, small_faces=True)
        with self._reporter.task("Looking at pictures", len(sources), "pictures") as task:
            for source, prediction in zip(sources, predictions, strict=True):
                self._write(source.name, None, prediction)
                self._annotate(prediction, Path(source.name).stem)
                task.advance()

    def look_at_video(self, source: Source) -> None:
        from fer_fast.recognition import PictureError, Prediction
        from fer_fast.recognition.video import Video

        assert not isinstance(source.content, bytes)
        try:
            video = Video(source.content, source.name)
        except PictureError as error:
            self._write(source.name, None, Prediction([], (0, 0), error))
            return
        with closing(video):
            self._look_at_frames(source.name, video)
            if video.error is not None:
                self._write(source.name, None, Prediction([], (0, 0), video.error))

    def _look_at_frames(self, name: str, video: Video) -> None:
        times: deque[float] = deque()

        def pictures() -> Iterator[Any]:
            for frame in video.frames(self._per_second):
                times.append(frame.seconds)
                yield frame.picture

        share = min(1, (self._per_second or math.inf) / video.frames_per_second)
        annotated = -1
        total = round(video.n_frames * share)
        # Of a webcam nobody knows the end.
        reporter = self._reporter if total else SILENT
        with reporter.task(f"Looking at {name}", total, "frames") as task:
            for prediction in self._stream(pictures(), small_faces=False):
                seconds = times.popleft()
                self._write(name, seconds, prediction)
                if int(seconds) > annotated:
                    annotated = int(seconds)
                    self._annotate(prediction, f"{Path(name).stem}-{annotated:06d}s")
                task.advance()

    def _stream(self, pictures: Iterable[Any], *, small_faces: bool) -> Iterator[Prediction]:
        return self._recognizer.stream(
            pictures,
            faces=self._faces,
            small_faces=small_faces,
            keep_pictures=self._annotations is not None,
        )

    def _write(self, name: str, seconds: float | None, prediction: Prediction) -> None:
        from fer_fast.cli.rows import Place

        # First: that nobody reads on does not make a picture unreadable.
        if prediction.error is None:
            self.read += 1
        else:
            self.unreadable += 1
        self._rows.write(Place(name, seconds), prediction)
        # Whoever reads along sees each row at once.
        self._stdout.flush()
        if self._stdout.refusal is not None:
            raise _ReaderLeftError

    def _annotate(self, prediction: Prediction, stem: str) -> None:
        """Write a picture with its boxes under a name that this run has not used."""
        if self._annotations is None or prediction.picture is None:
            return
        from fer_fast.recognition.overlay import annotate
        from fer_fast.storage.files import atomic_write

        path = self._annotations / f"{stem}.jpg"
        number = 1
        while path in self._annotated:
            number += 1
            path = self._annotations / f"{stem}-{number}.jpg"
        self._annotated.add(path)
        with keeping(), atomic_write(path) as temporary:
            annotate(prediction.picture, prediction.faces).save(temporary, "JPEG", quality=90)
