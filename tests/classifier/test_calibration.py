"""Calibration against scans, loops and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss as sklearn_log_loss

from fer_fast.classifier.calibration import (
    Temperature,
    calibration_error,
    fit_isotonic,
    fit_temperature,
    log_loss,
)
from fer_fast.errors import ParameterError


def softmax(X: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(X - X.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(rng: np.random.Generator, true: NDArray[Any]) -> NDArray[np.int64]:
    """Return a class for each row, drawn by its probabilities."""
    return (
        (true.cumsum(axis=1) < rng.random(len(true))[:, None])
        .sum(axis=1)
        .clip(0, true.shape[1] - 1)
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (20_000, 5))
    y = drawn(rng, softmax(logits))
    said = softmax(logits * temperature)
    fit = fit_temperature(said, y)
    assert fit.temperature == pytest.approx(temperature, rel=0.06)
    assert calibration_error(fit.apply(said), y) < 0.015
    if temperature > 1:
        assert calibration_error(said, y) > 0.1


def test_no_other_temperature_has_less_log_loss() -> None:
    rng = np.random.default_rng(1)
    votes = rng.multinomial(30, softmax(rng.normal(0, 2, (500, 4)))) / 30
    votes = np.array([rng.permutation(row) if rng.random() < 0.2 else row for row in votes])
    y = votes.argmax(axis=1)
    y[::3] = rng.integers(0, 4, len(y[::3]))
    fit = fit_temperature(votes, y)
    best = log_loss(fit.apply(votes), y)
    for temperature in np.geomspace(0.05, 20, 200):
        assert log_loss(Temperature(temperature, fit.floor).apply(votes), y) >= best - 1e-9


def test_a_temperature_is_fitted_to_shares_of_votes() -> None:
    rng = np.random.default_rng(2)
    shares = softmax(rng.normal(0, 1, (3000, 6)))
    sharpened = softmax(np.log(shares) * 3)
    assert fit_temperature(sharpened, shares).temperature == pytest.approx(3, rel=1e-3)


matrices = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).dirichlet(np.full(4, 0.3), 30)
)


@given(matrices, st.floats(0.2, 5), st.sampled_from([1e-6, 1e-3, 0.03]))
def test_a_temperature_keeps_the_order_of_the_classes(
    said: NDArray[Any], temperature: float, floor: float
) -> None:
    calibrated = Temperature(temperature, floor).apply(said)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    order = np.argsort(said, axis=1)
    assert (np.diff(np.take_along_axis(calibrated, order, axis=1)) >= -1e-12).all()


@given(matrices, st.integers(0, 2**32 - 1))
def test_isotonic_lines_are_scikit_learns(said: NDArray[Any], seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = drawn(rng, said)
    new = rng.dirichlet(np.full(4, 0.3), 50)
    expected = np.column_stack(
        [
            IsotonicRegression(y_min=1e-4, y_max=1, out_of_bounds="clip")
            .fit(said[:, column], y == column)
            .predict(new[:, column])
            for column in range(4)
        ]
    )
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fit_isotonic(said, y).apply(new), expected, atol=1e-6)


def slow_error(said: NDArray[Any], y: NDArray[Any], bins: int) -> float:
    error = 0.0
    for number in range(bins):
        rows = [
            row for row in range(len(said)) if min(int(max(said[row]) * bins), bins - 1) == number
        ]
        if rows:
            sure = sum(max(said[row]) for row in rows) / len(rows)
            right = sum(said[row].argmax() == y[row] for row in rows) / len(rows)
            error += len(rows) / len(said) * abs(sure - right)
    return error


@given(matrices, st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_the_error_is_the_mean_gap_over_bins(said: NDArray[Any], seed: int, bins: int) -> None:
    y = np.random.default_rng(seed).integers(0, 4, len(said))
    assert calibration_error(said, y, bins=bins) == pytest.approx(slow_error(said, y, bins))


def test_votes_make_an_answer_partly_right() -> None:
    said = np.array([[0.7, 0.3], [0.7, 0.3]])
    shares = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert calibration_error(said, shares) == pytest.approx(0)
    assert log_loss(said, shares) == pytest.approx(
        -(0.7 * np.log(0.7) + 0.3 * np.log(0.3)), rel=1e-9
    )


def test_log_loss_is_scikit_learns() -> None:
    rng = np.random.default_rng(4)
    said = rng.dirichlet(np.ones(3), 100)
    y = rng.integers(0, 3, 100)
    assert log_loss(said, y) == pytest.approx(sklearn_log_loss(y, said))
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == np.inf


def test_rows_and_targets_must_be_as_many() -> None:
    with pytest.raises(ParameterError, match="as many"):
        fit_temperature(np.ones((3, 2)) / 2, np.zeros(2, int))
