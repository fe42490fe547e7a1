"""Scores on held-out rows."""

from fer_fast.evaluation.metrics import ClassScores, Evaluation, Scores, evaluate, score

__all__ = ["ClassScores", "Evaluation", "Scores", "evaluate", "score"]
