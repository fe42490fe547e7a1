"""Plots as inline SVG, coloured by the page's style so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 480
"""Of a plot in its own units; a letter is 13 high, which a phone can still show."""

_LABELS = 112
_ROW = 26
_FOOT = 34


@dataclass(frozen=True)
class Dot:
    """A value with its interval, in a row of its own.

    Attributes
    ----------
    label : str
    value, low, high : float
    is_main : bool
        Whether it is what the others are held against.
    """

    label: str
    value: float
    low: float
    high: float
    is_main: bool = False


@dataclass(frozen=True)
class Line:
    """A series over whole numbers.

    Attributes
    ----------
    label : str
    points : sequence of (x, y)
    style : str
        The class that colours it.
    """

    label: str
    points: Sequence[tuple[float, float]]
    style: str


def picture(height: float, alt: str, *parts: str) -> str:
    """Return the whole element; `alt` says what is seen for those who do not see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(alt)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, content: str, anchor: str = "start", style: str = "") -> str:
    """Return a line of text."""
    named = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{style}"/>'


def rectangle(x: float, y: float, width: float, height: float, style: str, more: str = "") -> str:
    """Return a filled rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
        f'class="{style}"{more}/>'
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, at most `most` of them and at least two."""
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(s * power for s in (1, 2, 5, 10) if span / (s * power) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(step * k, 10) for k in range(first, math.floor(high / step + 1e-9) + 1)]


class Axis:
    """A scale from values to places.

    Parameters
    ----------
    low, high : float
        The values at its ends.
    start, end : float
        Their places.
    """

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Return the place of a value; one outside stands at the end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return round values on it."""
        return ticks(self.low, self.high, most)


def dots(rows: Sequence[Dot], alt: str, axis_label: str) -> str:
    """Return a row for each value: a dot on the line of its interval."""
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    margin = 0.06 * (high - low or 0.1)
    axis = Axis(low - margin, high + margin, _LABELS + 8, WIDTH - 16)
    bottom = 10 + _ROW * len(rows)
    parts = _grid(axis, 6, bottom, axis_label)
    for number, row in enumerate(rows):
        y = 10 + _ROW * (number + 0.5)
        style = "main" if row.is_main else "other"
        parts += [
            text(_LABELS, y + 4.5, row.label, anchor="end", style="b" if row.is_main else ""),
            line(axis(row.low), y, axis(row.high), y, f"range {style}"),
            f'<circle cx="{axis(row.value):.1f}" cy="{y:.1f}" r="5" class="{style}"/>',
        ]
    return picture(bottom + _FOOT, alt, *parts)


def bars(
    rows: Sequence[tuple[str, Sequence[float]]],
    styles: Sequence[str],
    alt: str,
    axis_label: str,
    *,
    high: float | None = None,
    form: str = "{:,.0f}",
) -> str:
    """Return a row of bars for each label, one in each style, with their values beside them."""
    thick = 14 if len(styles) == 1 else 10
    height = thick * len(styles) + 12
    top = high or max((max(values) for _, values in rows), default=1.0)
    axis = Axis(0, top, _LABELS + 8, WIDTH - 70)
    bottom = 10 + height * len(rows)
    parts = _grid(axis, 6, bottom, axis_label)
    for number, (label, values) in enumerate(rows):
        y = 10 + height * number
        parts.append(text(_LABELS, y + height / 2, label, anchor="end"))
        for place, (value, style) in enumerate(zip(values, styles, strict=True)):
            at = y + 4 + thick * place
            parts += [
                rectangle(axis.start, at, axis(value) - axis.start, thick - 2, style),
                text(axis(value) + 4, at + thick - 3, form.format(value), style="s"),
            ]
    return picture(bottom + _FOOT, alt, *parts)


def lines(
    series: Sequence[Line],
    alt: str,
    x_label: str,
    y_label: str,
    *,
    level: tuple[str, float] | None = None,
) -> str:
    """Return lines over whole numbers, and perhaps a level to hold them against."""
    points = [point for one in series for point in one.points]
    values = [y for _, y in points] + ([level[1]] if level else [])
    margin = 0.08 * (max(values) - min(values) or 0.1)
    bottom = 210
    across = Axis(min(x for x, _ in points), max(x for x, _ in points), 58, WIDTH - 16)
    up = Axis(min(values) - margin, max(values) + margin, bottom, 26)
    parts = [text(4, 14, y_label, style="s")]
    for value in up.ticks():
        parts += [
            line(across.start, up(value), across.end, up(value), "grid"),
            text(52, up(value) + 4, f"{value:,g}", anchor="end", style="s"),
        ]
    for x in across.ticks(8):
        if x == int(x):
            parts.append(text(across(x), bottom + 17, f"{x:g}", anchor="middle", style="s"))
    parts.append(text((across.start + across.end) / 2, bottom + 32, x_label, "middle", "s"))
    if level:
        parts += [
            line(across.start, up(level[1]), across.end, up(level[1]), "level"),
            text(across.end, up(level[1]) - 5, level[0], anchor="end", style="s"),
        ]
    for one in series:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in one.points)
        parts.append(f'<polyline points="{path}" class="line {one.style}"/>')
        if len(one.points) <= 40:
            parts += [
                f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" class="{one.style}"/>'
                for x, y in one.points
            ]
    return picture(bottom + 40, alt, *parts) + legend([(one.label, one.style) for one in series])


def cells(values: Sequence[Sequence[float]], shown: Sequence[Sequence[str]], alt: str) -> str:
    """Return a square of cells, the darker the larger; values lie between 0 and 1."""
    side = min(64.0, 320.0 / max(1, len(values)))
    parts = []
    for row, (line_, texts) in enumerate(zip(values, shown, strict=True)):
        for column, (value, content) in enumerate(zip(line_, texts, strict=True)):
            x, y = 8 + side * column, 8 + side * row
            opacity = f' fill-opacity="{0.08 + 0.92 * value:.2f}"'
            parts.append(rectangle(x, y, side - 2, side - 2, "main", opacity))
            if side >= 30:
                style = "on" if value > 0.55 else "s"
                parts.append(text(x + side / 2 - 1, y + side / 2 + 4, content, "middle", style))
    return picture(16 + side * len(values), alt, *parts)


def reliability(said: Sequence[float], right: Sequence[float], share: Sequence[float]) -> str:
    """Return how often answers are right over how sure they were; a dot's area is its share."""
    across, up = Axis(0, 1, 58, 318), Axis(0, 1, 270, 10)
    parts = [line(across(0), up(0), across(1), up(1), "level")]
    for value in (0, 0.25, 0.5, 0.75, 1):
        parts += [
            line(across(0), up(value), across(1), up(value), "grid"),
            text(52, up(value) + 4, f"{value:g}", anchor="end", style="s"),
            text(across(value), 288, f"{value:g}", anchor="middle", style="s"),
        ]
    parts += [
        f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="{3 + 16 * math.sqrt(s):.1f}" '
        'class="main soft"/>'
        for x, y, s in zip(said, right, share, strict=True)
    ]
    parts.append(text(188, 304, "probability of the answer", "middle", "s"))
    parts.append(text(330, 24, "share of right", style="s"))
    parts.append(text(330, 40, "answers", style="s"))
    alt = "Reliability: where the dots lie on the diagonal, probabilities mean what they say"
    return picture(312, alt, *parts)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Return what each colour stands for."""
    items = "".join(
        f'<span><i class="{style}"></i>{escape(label)}</span>' for label, style in entries
    )
    return f'<p class="legend">{items}</p>'


def _grid(axis: Axis, top: float, bottom: float, label: str) -> list[str]:
    parts = [text((axis.start + axis.end) / 2, bottom + 31, label, anchor="middle", style="s")]
    for value in axis.ticks():
        parts += [
            line(axis(value), top, axis(value), bottom, "grid"),
            text(axis(value), bottom + 15, f"{value:,g}", anchor="middle", style="s"),
        ]
    return parts
