"""Scores on held-out rows."""

from fer_fast.evaluation.metrics import ClassScores, HeldOutScores, Scores, evaluate, score

__all__ = ["ClassScores", "HeldOutScores", "Scores", "evaluate", "score"]
