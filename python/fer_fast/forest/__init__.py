"""The native forest as an estimator of scikit-learn's."""

from fer_fast.forest.hist_forest import HistForestClassifier

__all__ = ["HistForestClassifier"]
