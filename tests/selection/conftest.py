from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from fer_fast import AntColonySelector


@pytest.fixture(scope="session")
def planted() -> tuple[np.ndarray, np.ndarray]:
    """200 rows of 40 features, of which the first 4 alone depend on the class."""
    y = np.arange(200) % 2
    X = np.random.default_rng(1).normal(size=(200, 40))
    X[:, :4] += 1.2 * y[:, None]
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def make_selector() -> Any:
    """A selector around GaussianNB whose search is short."""

    def make(estimator: Any = None, **parameters: Any) -> AntColonySelector:
        parameters = {"n_ants": 6, "cv": 3, "random_state": 0} | parameters
        return AntColonySelector(GaussianNB() if estimator is None else estimator, **parameters)

    return make
