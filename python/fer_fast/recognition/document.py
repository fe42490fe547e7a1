"""What is said about a picture as JSON: the same from the command line and from the server."""

from __future__ import annotations

from typing import Any

from fer_fast.recognition.recognizer import Face, Prediction

_DECIMALS = 6


def picture_document(prediction: Prediction) -> dict[str, Any]:
    """Return a readable picture's size and faces."""
    width, height = prediction.size
    return {
        "width": width,
        "height": height,
        "faces": [face_document(face) for face in prediction.faces],
    }


def face_document(face: Face) -> dict[str, Any]:
    """Return a face; lengths are in pixels of the upright picture, fractions from 0 to 1."""
    box = face.box
    return {
        "box": {
            "left": round(box.left, 2),
            "top": round(box.top, 2),
            "width": round(box.width, 2),
            "height": round(box.height, 2),
        },
        "landmarks": [[round(x, 2), round(y, 2)] for x, y in face.landmarks],
        "score": None if face.score is None else round(face.score, _DECIMALS),
        "label": face.label,
        "margin": round(face.margin, _DECIMALS),
        "probabilities": {
            name: round(value, _DECIMALS) for name, value in face.probabilities.items()
        },
    }
