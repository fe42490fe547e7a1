"""Drawing what was found into a picture."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from fer_fast.recognition.recognizer import Face

_COLOURS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#d6a100", "#c51b8a")
"""Told apart by most colour-blind people, and by their order where they repeat."""

_PANEL = (20, 20, 20)
_TEXT = (255, 255, 255)


def annotate(picture: Image.Image, faces: list[Face]) -> Image.Image:
    """Return a copy of a picture with a box around each face and bars of its probabilities.

    Parameters
    ----------
    picture : PIL.Image.Image of mode RGB
    faces : list of Face
        In this picture's pixels.
    """
    drawn = picture.copy()
    draw = ImageDraw.Draw(drawn)
    size = max(10, min(picture.size) // 45)
    font = ImageFont.load_default(size)
    for position, face in enumerate(faces):
        colour = _COLOURS[position % len(_COLOURS)]
        box = face.box
        right, bottom = box.left + box.width, box.top + box.height
        width = max(2, size // 5)
        draw.rectangle((box.left, box.top, right, bottom), outline=colour, width=width)
        _draw_bars(draw, face, colour, size, font, picture.size)
    return drawn


def _draw_bars(
    draw: ImageDraw.ImageDraw,
    face: Face,
    colour: str,
    size: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    picture_size: tuple[int, int],
) -> None:
    """Draw a face's probabilities right of its box, or left, or over it, where there is room."""
    names = face.probabilities
    text_width = max(draw.textlength(name, font=font) for name in names)
    line, gap = round(1.3 * size), size // 3
    width, height = text_width + 6 * size + 3 * gap, line * len(names) + 2 * gap
    right = face.box.left + face.box.width + gap
    places = (right, face.box.left - gap - width)
    left = next((x for x in places if x >= 0 and x + width <= picture_size[0]), 0.0)
    top = min(max(face.box.top, 0), max(picture_size[1] - height, 0))
    draw.rectangle((left, top, left + width, top + height), fill=_PANEL)
    for row, (name, probability) in enumerate(names.items()):
        y = top + gap + row * line
        draw.text((left + gap, y), name, font=font, fill=_TEXT)
        start = left + text_width + 2 * gap
        fill = colour if name == face.label else (150, 150, 150)
        draw.rectangle((start, y + gap / 2, start + probability * 6 * size, y + size), fill=fill)
