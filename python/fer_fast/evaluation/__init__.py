"""Scores on held-out rows, and what the data and a protocol make of them."""

from fer_fast.evaluation.integrity import (
    NEAR,
    Integrity,
    SecondOpinion,
    check_integrity,
    near_duplicates,
    second_opinion,
)
from fer_fast.evaluation.metrics import ClassScores, HeldOutScores, Scores, evaluate, score
from fer_fast.evaluation.protocols import Protocol, compare_protocols

__all__ = [
    "NEAR",
    "ClassScores",
    "HeldOutScores",
    "Integrity",
    "Protocol",
    "Scores",
    "SecondOpinion",
    "check_integrity",
    "compare_protocols",
    "evaluate",
    "near_duplicates",
    "score",
    "second_opinion",
]
