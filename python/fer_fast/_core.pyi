"""The extension module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

# The forest.

class ForestStopped(Exception):  # noqa: N818
    """A forest passed its deadline before it was done."""

@final
class Forest:
    """A histogram random forest that is grown, scored and thrown away."""

    def __new__(
        cls,
        rows: NDArray[np.float32],
        labels: NDArray[np.uint8],
        n_classes: int,
        scored_rows: NDArray[np.float32] | None = None,
        *,
        n_trees: int,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        draws: int | None = None,
        class_weights: Sequence[float] | NDArray[np.float64] | None = None,
    ) -> Forest: ...
    def probabilities(
        self, subset: NDArray[np.int64], seed: int, n_threads: int
    ) -> NDArray[np.float64]: ...
    def stop_in(self, seconds: float | None) -> None: ...
    @property
    def n_bytes(self) -> int: ...
