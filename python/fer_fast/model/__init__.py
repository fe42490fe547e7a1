"""The final classifier and the files that carry it."""

from fer_fast.model.classifier import (
    SubsetClassifier,
    fit_classifier,
    save_forest,
    save_selection,
)

__all__ = ["SubsetClassifier", "fit_classifier", "save_forest", "save_selection"]
