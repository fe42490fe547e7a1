from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Literal, Self, TypeAlias, TypedDict, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BinnedRows",
    "Colony",
    "Evaluation",
    "EvaluationCut",
    "EvaluationLost",
    "Forest",
    "Trees",
    "fit_trees",
]

_Subset: TypeAlias = NDArray[np.int64]
_Deposit: TypeAlias = Literal["best", "credit"]
_Sizes: TypeAlias = Literal["learned", "annealed"]

class _Summary(TypedDict):
    iteration: int
    best_score: float | None
    best_fitness: float | None
    mean_score: float | None
    best_size: int | None
    mean_size: float
    n_ants: int
    evaluations: int
    cache_hits: int
    credited: int
    complete: bool

class _Parameters(TypedDict):
    n_ants: int
    alpha: float
    beta: float
    q0: float
    rho: float
    xi: float
    tau_min: float
    phi: float
    deposit: _Deposit
    sizes: _Sizes
    min_features: int
    max_features: int | None
    seed: int

@final
class Evaluation:
    @property
    def iteration(self) -> int: ...
    @property
    def ant(self) -> int: ...
    @property
    def n_ants(self) -> int: ...
    @property
    def settled(self) -> int: ...
    @property
    def score(self) -> float | None: ...
    @property
    def size(self) -> int: ...
    @property
    def best_score(self) -> float | None: ...
    @property
    def best_size(self) -> int | None: ...
    @property
    def evaluations(self) -> int: ...
    @property
    def cache_hits(self) -> int: ...
    @property
    def elapsed(self) -> float: ...

@final
class Colony:
    def __new__(
        cls,
        desirability: ArrayLike,
        *,
        n_ants: int = 20,
        alpha: float = 1.1,
        beta: float = 1.5,
        q0: float = 0.9,
        rho: float = 0.2,
        xi: float | None = None,
        tau_min: float | None = None,
        phi: float = 0.99,
        deposit: _Deposit = "best",
        sizes: _Sizes = "learned",
        min_features: int = 1,
        max_features: int | None = None,
        tau0: ArrayLike | None = None,
        seed: int = 0,
    ) -> Self: ...
    @staticmethod
    def default_parameters(deposit: _Deposit = "best") -> _Parameters: ...
    @staticmethod
    def parameter_ranges() -> dict[str, tuple[float, float]]: ...
    def ask(self) -> list[_Subset]: ...
    def unscored(self) -> list[int]: ...
    def record(self, ant: int, score: float, credit: ArrayLike | None = None) -> None: ...
    def close(self) -> None: ...
    def tell(
        self,
        scores: Sequence[float | None],
        credit: Sequence[ArrayLike | None] | None = None,
    ) -> None: ...
    def run(
        self,
        fitness: Callable[[_Subset], float | tuple[float, ArrayLike]],
        *,
        n_iterations: int = 3,
        n_jobs: int = 1,
        executor: Executor | Callable[[], Executor] | None = None,
        time_budget: float | None = None,
        callback: Callable[[Evaluation], object] | None = None,
        interrupt_grace: float | None = None,
    ) -> Literal["iterations", "converged", "time_budget", "callback", "interrupted"]: ...
    @property
    def answer(self) -> _Subset | None: ...
    @property
    def credited(self) -> list[_Subset]: ...
    @property
    def best_subset(self) -> _Subset | None: ...
    @property
    def best_score(self) -> float | None: ...
    @property
    def best_fitness(self) -> float | None: ...
    @property
    def pheromone(self) -> NDArray[np.float64]: ...
    @property
    def size_pheromone(self) -> dict[int, float]: ...
    @property
    def history(self) -> list[_Summary]: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_ants(self) -> int: ...
    def ants_of(self, iteration: int) -> int: ...
    @property
    def parameters(self) -> _Parameters: ...
    @property
    def iteration(self) -> int: ...
    @property
    def evaluations(self) -> int: ...
    def to_json(self) -> str: ...
    @classmethod
    def from_json(cls, text: str) -> Self: ...
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]: ...

class EvaluationCut(Exception): ...
class EvaluationLost(EvaluationCut): ...

@final
class Forest:
    def __new__(
        cls,
        rows: NDArray[np.float32] | BinnedRows,
        labels: NDArray[np.uint8],
        n_classes: int,
        scored_rows: NDArray[np.float32] | None = None,
        *,
        n_trees: int,
        max_depth: int | None = None,
        min_samples_leaf: int = 1,
        draws: int | None = None,
        class_weights: Sequence[float] | NDArray[np.float64] | None = None,
        twin_groups: NDArray[np.int64] | None = None,
    ) -> Forest: ...
    def probabilities(
        self, subset: NDArray[np.int64], seed: int, n_threads: int
    ) -> NDArray[np.float64]: ...
    def evaluate(
        self,
        subset: NDArray[np.int64],
        seed: int,
        n_threads: int,
        residual: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def stop_in(self, seconds: float | None) -> None: ...
    @property
    def n_bytes(self) -> int: ...

@final
class BinnedRows:
    def __new__(
        cls, rows: NDArray[np.float32], *, n_threads: int, max_bins: int = 64
    ) -> BinnedRows: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def n_bytes(self) -> int: ...

@final
class Trees:
    def probabilities(self, rows: NDArray[np.float32], n_threads: int) -> NDArray[np.float64]: ...
    def to_parts(
        self,
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint64], NDArray[np.float32], int]: ...
    @staticmethod
    def from_parts(
        nodes: NDArray[np.uint32],
        starts: NDArray[np.uint64],
        shares: NDArray[np.float32],
        n_columns: int,
    ) -> Trees: ...
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]: ...
    @property
    def n_trees(self) -> int: ...
    @property
    def n_nodes(self) -> int: ...
    @property
    def n_bytes(self) -> int: ...

def fit_trees(
    rows: BinnedRows,
    labels: NDArray[np.uint8],
    n_classes: int,
    *,
    columns: NDArray[np.int64] | None = None,
    seed: int,
    n_threads: int,
    n_trees: int,
    max_depth: int | None = None,
    min_samples_split: int = 2,
    min_samples_leaf: int = 1,
    min_weight_fraction_leaf: float = 0.0,
    max_features: int | None = None,
    draws: int | None = None,
    row_weights: NDArray[np.float64] | None = None,
    class_weights: NDArray[np.float64] | None = None,
    balance_trees: bool = False,
    out_of_bag: bool = False,
) -> tuple[Trees, NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]] | None]: ...
