"""The forests that a fitness may have grown: this package's, and scikit-learn's.

Each is made of rows once, and grown and thrown away for one subset after another. A pickle of one
has its rows, and grows the same forests.
"""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils.class_weight import compute_class_weight

from fer_fast._core import BinnedRows, Forest
from fer_fast.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ForestEngine(Protocol):
    """What `ForestFitness` asks of a forest."""

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        twin_groups: NDArray[np.integer] | None,
        params: dict[str, Any],
        binned: BinnedRows | None = None,
    ) -> None: ...

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Return the class probabilities of the scored rows, NaN for a row without a vote."""

    def evaluate(
        self, subset: NDArray[np.int64], seed: int, residual: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities, and what each feature earned against a residual."""

    def stop_at(self, deadline: float | None) -> None:
        """Stop forests at a reading of `time.monotonic`; None: never."""


class NativeForest:
    """The histogram forest, on columns cut into bins once."""

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        twin_groups: NDArray[np.integer] | None,
        params: dict[str, Any],
        binned: BinnedRows | None = None,
    ) -> None:
        classes, labels = np.unique(y_train, return_inverse=True)
        if len(classes) > 256:
            raise DataError(f"{len(classes)} different labels: the native forest takes up to 256")
        weights = None
        if params["class_weight"] is not None:
            weights = compute_class_weight(params["class_weight"], classes=classes, y=y_train)
        self._n_jobs = params["n_jobs"]
        self._made_of = (X_train, y_train, X_val, twin_groups, params)
        try:
            self._forest = Forest(
                np.require(X_train, np.float32, ["C", "A"]) if binned is None else binned,
                labels.astype(np.uint8),
                len(classes),
                None if X_val is None else np.require(X_val, np.float32, ["C", "A"]),
                n_trees=params["n_estimators"],
                max_depth=params["max_depth"],
                min_samples_leaf=params["min_samples_leaf"],
                draws=params["max_samples"],
                class_weights=weights,
                # The forest wants them numbered below the rows.
                twin_groups=None
                if twin_groups is None
                else np.unique(twin_groups, return_inverse=True)[1].astype(np.int64),
            )
        except ValueError as error:
            raise DataError(f"a forest cannot be grown on these rows: {error}") from error

    def __reduce__(self) -> Any:
        return NativeForest, self._made_of

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Return the class probabilities of the scored rows."""
        subset = np.require(subset, np.int64, ["C", "A"])
        return self._forest.probabilities(subset, seed, self._n_jobs)

    def evaluate(
        self, subset: NDArray[np.int64], seed: int, residual: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the probabilities, and what each feature earned against a residual."""
        subset = np.require(subset, np.int64, ["C", "A"])
        return self._forest.evaluate(subset, seed, self._n_jobs, residual)

    def stop_at(self, deadline: float | None) -> None:
        """Stop forests, those under way included."""
        self._forest.stop_in(None if deadline is None else deadline - time.monotonic())


class SklearnForest:
    """scikit-learn's forest, which knows no twins and gives no credit."""

    def __init__(
        self,
        X_train: NDArray[np.float32],
        y_train: NDArray[Any],
        X_val: NDArray[np.float32] | None,
        twin_groups: NDArray[np.integer] | None,
        params: dict[str, Any],
        binned: BinnedRows | None = None,
    ) -> None:
        assert twin_groups is None
        assert binned is None
        self._X_train, self._y_train, self._X_val = X_train, y_train, X_val
        self._params = params

    def probabilities(self, subset: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Return the class probabilities of the scored rows."""
        out_of_bag = self._X_val is None
        forest = RandomForestClassifier(oob_score=out_of_bag, random_state=seed, **self._params)
        with warnings.catch_warnings():
            # It warns of rows that every tree drew; here they are NaN, and not scored.
            warnings.filterwarnings("ignore", message="Some inputs do not have OOB scores")
            forest.fit(self._X_train[:, subset], self._y_train)
        probabilities: NDArray[np.float64]
        if self._X_val is not None:
            probabilities = forest.predict_proba(self._X_val[:, subset])
        else:
            probabilities = forest.oob_decision_function_
            probabilities[probabilities.sum(axis=1) == 0] = np.nan
        return probabilities

    def evaluate(
        self, subset: NDArray[np.int64], seed: int, residual: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Refuse: scikit-learn does not tell what its cuts earn out of bag."""
        raise NotImplementedError

    def stop_at(self, deadline: float | None) -> None:
        """Do nothing: a fit of scikit-learn cannot be stopped from outside."""
