"""Forests: the native one as an estimator of scikit-learn's, and the final one on a subset."""

from fer_fast.forest.hist_forest import HistForestClassifier

__all__ = ["HistForestClassifier"]
