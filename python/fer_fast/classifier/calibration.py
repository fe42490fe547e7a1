"""Probabilities that mean what they say: fitting a correction, applying it, measuring the error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import ParameterError

Matrix = NDArray[np.floating]
Targets = NDArray[np.integer] | NDArray[np.floating]
"""Class positions of shape (n,), or shares of votes of shape (n, n_classes) that sum to 1."""

_FLOORS = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
_LEAST_PROBABILITY = 1e-4
"""Of the isotonic maps: what no row of the fit was is unlikely, not impossible."""


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


@dataclass(frozen=True)
class CalibrationReport:
    """A calibration, and what it does to rows that had no part in fitting it.

    Attributes
    ----------
    calibration : Temperature
    error_before, error_after : float
        `calibration_error` without it and with it.
    """

    calibration: Temperature
    error_before: float
    error_after: float

    def as_dict(self) -> dict[str, str | float]:
        """Return it as JSON types."""
        return {
            "method": "temperature",
            "temperature": self.calibration.temperature,
            "floor": self.calibration.floor,
            "error_before": self.error_before,
            "error_after": self.error_after,
        }


def fit_temperature(probabilities: Matrix, targets: Targets) -> Temperature:
    """Fit the temperature and the floor of least log loss.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of rows that the classifier was not fitted on.
    targets : ndarray of shape (n,), integer, or (n, n_classes), float
        Classes, or the shares of the voters that named each.
    """
    shares = _shares(probabilities, targets)
    fits = [Temperature(_temperature(probabilities, shares, floor), floor) for floor in _FLOORS]
    return min(fits, key=lambda fit: log_loss(fit.apply(probabilities), shares))


def _temperature(probabilities: Matrix, shares: Matrix, floor: float) -> float:
    """Return the temperature of least log loss; it is convex in the inverse: bisect its slope."""
    logarithms = np.log(np.maximum(probabilities, floor))
    wanted = (shares * logarithms).sum()

    def slope(inverse: float) -> float:
        said = Temperature(1 / inverse, floor).apply(probabilities)
        return float((said * logarithms).sum() - wanted)

    low, high = -7.0, 7.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(float(np.exp(middle))) > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def fit_isotonic(probabilities: Matrix, targets: Targets) -> Isotonic:
    """Fit a rising line of least squares for each class against the rest.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        Of rows that the classifier was not fitted on.
    targets : ndarray of shape (n,), integer, or (n, n_classes), float
        Classes, or the shares of the voters that named each.
    """
    from sklearn.isotonic import IsotonicRegression

    lines = []
    for said, share in zip(probabilities.T, _shares(probabilities, targets).T, strict=True):
        line = IsotonicRegression(y_min=_LEAST_PROBABILITY, y_max=1.0).fit(said, share)
        lines.append((line.X_thresholds_, line.y_thresholds_))
    shape = (len(lines), max(1, *(len(x) - 1 for x, _ in lines)))
    starts, widths, rises = np.zeros(shape), np.ones(shape), np.zeros(shape)
    for row, (x, y) in enumerate(lines):
        stretches = len(x) - 1
        starts[row, :stretches], widths[row, :stretches] = x[:-1], np.diff(x)
        rises[row, :stretches] = np.diff(y)
    return Isotonic(np.array([y[0] for _, y in lines]), starts, widths, rises)


def calibration_error(probabilities: Matrix, targets: Targets, *, bins: int = 15) -> float:
    """Return the expected calibration error.

    The rows are put into bins of equal width by the greatest probability; the error is the mean,
    over rows, of how far in its bin the mean of that probability is from the share of right
    answers (Guo et al. 2017, equation 3). With shares of votes for targets, an answer is as right
    as the share of the voters who gave it.
    """
    shares = _shares(probabilities, targets)
    sure = probabilities.max(axis=1)
    right = shares[np.arange(len(shares)), probabilities.argmax(axis=1)]
    where = np.minimum((sure * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(where, sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(shares))


def log_loss(probabilities: Matrix, targets: Targets) -> float:
    """Return the mean over rows of -Σ target·log(probability), in nats."""
    shares = _shares(probabilities, targets)
    with np.errstate(divide="ignore"):
        logarithms = np.log(probabilities)
    return float(-np.where(shares > 0, shares * logarithms, 0).sum() / len(shares))


def _shares(probabilities: Matrix, targets: Targets) -> Matrix:
    if len(probabilities) == 0 or len(probabilities) != len(targets):
        raise ParameterError(
            f"{len(probabilities)} rows of probabilities and {len(targets)} targets: give as many "
            "of both, at least one"
        )
    shares: Matrix = (
        np.asarray(targets, np.float64)
        if targets.ndim == 2
        else np.eye(probabilities.shape[1])[targets]
    )
    return shares
