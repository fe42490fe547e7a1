"""Choosing features: the ant colony, its fitness, its scikit-learn selector."""

from fer_fast.selection._exceptions import EvaluationCut
from fer_fast.selection.fitness import ForestFitness

__all__ = ["EvaluationCut", "ForestFitness"]
