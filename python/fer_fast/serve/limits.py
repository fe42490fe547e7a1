"""What the server accepts."""

from __future__ import annotations

from dataclasses import dataclass

from fer_fast.errors import ParameterError


@dataclass(frozen=True)
class Limits:
    """Bounds on a request and on all of them together.

    Attributes
    ----------
    body_bytes : int
        Of a picture's file.
    pixels : int
        Of a picture, before it is decoded.
    faces : int
        In a picture.
    seconds : float
        For a body to arrive, and for an answer.
    requests : int
        Under way at a time: received, waiting or computing.
    """

    body_bytes: int = 16 * 2**20
    pixels: int = 40_000_000
    faces: int = 100
    seconds: float = 30.0
    requests: int = 32

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ParameterError(f"the limit {name} is {value}: give more than 0")
