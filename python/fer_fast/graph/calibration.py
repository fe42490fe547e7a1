"""What a calibration of probabilities computes, in NumPy; `onefile` writes the same as ONNX nodes.

Fitting one is `fer_fast.classifier.calibration`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]


@dataclass(frozen=True)
class Temperature:
    """Divide log-probabilities by a temperature and normalise again.

    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, section 4.2, on log-probabilities in place of logits. The order of the classes stays.

    Attributes
    ----------
    temperature : float
        Above 1: less sure than before.
    floor : float
        What a probability is raised to before its logarithm: a forest says 0 where none of its
        trees votes.
    """

    temperature: float
    floor: float

    def apply(self, probabilities: Matrix) -> Matrix:
        """Return the calibrated probabilities of rows, shape (n, n_classes)."""
        logarithms = np.log(np.maximum(probabilities, self.floor)) / self.temperature
        powers = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
        calibrated: Matrix = powers / powers.sum(axis=1, keepdims=True)
        return calibrated


@dataclass(frozen=True)
class Isotonic:
    """Map each class' probability by a rising broken line and normalise again.

    B. Zadrozny and C. Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability
    Estimates", KDD 2002. A line is its first height and the rises that follow, each over a stretch.

    Attributes
    ----------
    first : ndarray of shape (n_classes,)
    starts, widths, rises : ndarray of shape (n_classes, n_stretches)
        A stretch without rise fills up the shorter lines.
    """

    first: Matrix
    starts: Matrix
    widths: Matrix
    rises: Matrix

    def apply(self, probabilities: Matrix) -> Matrix:
        """Return the calibrated probabilities of rows, shape (n, n_classes)."""
        along = np.clip((probabilities[..., None] - self.starts) / self.widths, 0, 1)
        heights = self.first + (along * self.rises).sum(axis=2)
        calibrated: Matrix = heights / heights.sum(axis=1, keepdims=True)
        return calibrated


Calibration = Temperature | Isotonic
