"""Choosing features: the ant colony, its fitness, its scikit-learn selector."""

from fer_fast._core import Colony, Evaluation, EvaluationCut
from fer_fast.selection.desirability import anova_desirability
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.selector import AntColonySelector, PartialResultWarning

__all__ = [
    "AntColonySelector",
    "Colony",
    "Evaluation",
    "EvaluationCut",
    "ForestFitness",
    "PartialResultWarning",
    "anova_desirability",
]
