"""Predictions as rows: a table for people, csv, and one JSON object a line."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Protocol

from fer_fast.recognition import Face, Prediction
from fer_fast.recognition.document import face_document, picture_document

NO_FACE = "no face found"

_BEFORE_LABEL = ("source", "seconds", "face", "left", "top", "width", "height", "score")


@dataclass(frozen=True)
class Place:
    """Where a prediction comes from.

    Attributes
    ----------
    source : str
    seconds : float or None
        Since a video's start; None for a picture.
    """

    source: str
    seconds: float | None = None


class Output(Protocol):
    """Where rows go."""

    def write(self, text: str, /) -> int:
        """Write text."""


class Rows(Protocol):
    """Writes predictions as they come."""

    def write(self, place: Place, prediction: Prediction) -> None:
        """Write what is in one picture or frame."""

    def close(self) -> None:
        """Write what is still held back."""


class JsonRows:
    """One JSON object for each picture or frame."""

    def __init__(self, out: Output, labels: tuple[str, ...]) -> None:  # noqa: ARG002
        self._out = out

    def write(self, place: Place, prediction: Prediction) -> None:
        """Write an object with ``faces``, or with ``error``."""
        row: dict[str, Any] = {"source": place.source}
        if place.seconds is not None:
            row["seconds"] = round(place.seconds, 3)
        if prediction.error is not None:
            row["error"] = str(prediction.error)
        else:
            row |= picture_document(prediction)
        self._out.write(json.dumps(row, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Hold nothing back."""


class CsvRows:
    """A row for each face, for each picture without any, and for each that cannot be read."""

    def __init__(self, out: Output, labels: tuple[str, ...]) -> None:
        self._writer = csv.writer(out, lineterminator="\n")
        self._labels = labels
        self._writer.writerow([*_BEFORE_LABEL, "label", "margin", *labels, "note"])

    def write(self, place: Place, prediction: Prediction) -> None:
        """Write the rows of one picture."""
        start = [place.source, "" if place.seconds is None else round(place.seconds, 3)]
        blank = [""] * (8 + len(self._labels))
        if prediction.error is not None:
            self._writer.writerow([*start, *blank, str(prediction.error)])
        elif not prediction.faces:
            self._writer.writerow([*start, *blank, NO_FACE])
        for number, face in enumerate(prediction.faces, start=1):
            said = face_document(face)
            found = [number, *said["box"].values(), said["score"]]
            expression = [face.label, said["margin"], *said["probabilities"].values()]
            self._writer.writerow([*start, *found, *expression, ""])

    def close(self) -> None:
        """Hold nothing back."""


class TableRows:
    """A line for each face; for videos, a line for each second."""

    def __init__(self, out: Output, labels: tuple[str, ...]) -> None:
        self._out = out
        self._labels = labels
        self._width = max(10, *map(len, labels))
        self._second: tuple[str, int] | None = None
        self._frames = 0
        self._faces: list[Face] = []
        self._video = ""

    def write(self, place: Place, prediction: Prediction) -> None:
        """Write the lines of a picture, or count a frame in."""
        if prediction.error is not None:
            self.close()
            self._line(f"{place.source}: {prediction.error}")
        elif place.seconds is not None:
            second = (place.source, int(place.seconds))
            if second != self._second:
                self.close()
                self._second = second
            self._frames += 1
            self._faces += prediction.faces
        else:
            self._write_picture(place.source, prediction.faces)

    def _write_picture(self, source: str, faces: list[Face]) -> None:
        self._line(f"{source}: {NO_FACE}" if not faces else source)
        for number, face in enumerate(faces, start=1):
            box = face.box
            order = sorted(face.probabilities.items(), key=lambda item: -item[1])
            others = ", ".join(f"{name} {value:.0%}" for name, value in order[1:3])
            self._line(
                f"  {number:>3}  {face.label:<{self._width}} {order[0][1]:>4.0%}  "
                f"{box.width:.0f} × {box.height:.0f} at {box.left:.0f}, {box.top:.0f}  "
                f"then {others}"
            )

    def close(self) -> None:
        """Write the second that is being counted."""
        if self._second is None:
            return
        (source, second), faces = self._second, self._faces
        if source != self._video:
            self._video = source
            names = " ".join(f"{name:>{self._width}}" for name in self._labels)
            self._line(source)
            self._line(f"  {'second':>7} {'faces':>6} {'':<{self._width}} {names}")
        means: dict[str, float] = defaultdict(float)
        for face in faces:
            for name, value in face.probabilities.items():
                means[name] += value / len(faces)
        best = max(means, key=means.__getitem__) if means else NO_FACE[: self._width]
        shown = " ".join(
            f"{means[name]:>{self._width}.0%}" if means else " " * self._width
            for name in self._labels
        )
        rate = len(faces) / self._frames
        self._line(f"  {second:>7} {rate:>6.1f} {best:<{self._width}} {shown}".rstrip())
        self._second, self._frames, self._faces = None, 0, []

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")


FORMATS: dict[str, type[JsonRows] | type[CsvRows] | type[TableRows]] = {
    "table": TableRows,
    "csv": CsvRows,
    "jsonl": JsonRows,
}
