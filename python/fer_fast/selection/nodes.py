"""What an ant chooses between: columns, or groups of columns that stand or fall together.

Fixed and forbidden columns belong to no node, so that no ant decides on them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_fast.errors import ParameterError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Nodes:
    """Which columns each node of a colony stands for.

    Attributes
    ----------
    node_of : ndarray of shape (n_columns,), int64
        The node of each column; -1 where no ant decides on it.
    fixed : ndarray of shape (n_columns,), bool
        Columns that every subset has.
    n_nodes : int
        What the ants choose between.
    n_fixed, n_forbidden : int
        Groups, or columns that stand alone, that are in every subset and in none.
    """

    node_of: NDArray[np.int64]
    fixed: NDArray[np.bool_]
    n_nodes: int
    n_fixed: int
    n_forbidden: int

    def columns(self, subset: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the columns, ascending, of a subset of the nodes."""
        # The last place stands for the columns of no node.
        taken = np.zeros(self.n_nodes + 1, dtype=bool)
        taken[subset] = True
        return np.flatnonzero(taken[self.node_of] | self.fixed)

    def greatest(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each node's greatest value, of values per column."""
        greatest = np.full(self.n_nodes, -np.inf)
        free = self.node_of >= 0
        # NaN, which the colony refuses by name, is no reason to warn.
        with np.errstate(invalid="ignore"):
            np.maximum.at(greatest, self.node_of[free], values[free])
        return greatest

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each node's sum of values per column."""
        free = self.node_of >= 0
        return np.bincount(self.node_of[free], values[free], self.n_nodes).astype(np.float64)

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each column its node's value; 1 for a fixed one, 0 for a forbidden one."""
        return np.where(self.node_of >= 0, values[self.node_of], self.fixed.astype(np.float64))


def make_nodes(
    n_columns: int,
    names: NDArray[Any] | None = None,
    *,
    groups: Sequence[Any] | None = None,
    fixed: Sequence[Any] | None = None,
    forbidden: Sequence[Any] | None = None,
) -> Nodes:
    """Return the nodes of a matrix.

    Parameters
    ----------
    n_columns : int
    names : ndarray of shape (n_columns,), str, or None
        Column names, where the matrix has any.
    groups : sequence of sequence of str or int, or None
        Columns that stand or fall together; a column of no group stands alone.
    fixed, forbidden : sequence of str or int, or None
        Columns of every subset and of none. The whole group follows its members.

    Raises
    ------
    ParameterError
        If a column is not there, or is in two groups, or is both fixed and forbidden, or if none is
        left to choose.
    """
    label = np.arange(n_columns)
    seen = np.zeros(n_columns, dtype=bool)
    for group in [] if groups is None else groups:
        members = _indices(group, n_columns, names, "feature_groups")
        if len(members) == 0:
            continue
        if seen[members].any():
            twice = members[seen[members]][0]
            raise ParameterError(f"feature_groups names feature {twice} twice: one group a feature")
        seen[members] = True
        label[members] = members.min()
    is_fixed = _with_groups(label, _indices(fixed, n_columns, names, "fixed"))
    is_forbidden = _with_groups(label, _indices(forbidden, n_columns, names, "forbidden"))
    if (is_fixed & is_forbidden).any():
        both = np.flatnonzero(is_fixed & is_forbidden)[0]
        raise ParameterError(
            f"feature {both} is fixed and forbidden, itself or through its group: decide for one"
        )
    free = ~(is_fixed | is_forbidden)
    if not free.any():
        raise ParameterError("all features are fixed or forbidden: nothing is left to choose")
    kept, node = np.unique(label[free], return_inverse=True)
    node_of = np.full(n_columns, -1, dtype=np.int64)
    node_of[free] = node
    return Nodes(
        node_of=node_of,
        fixed=is_fixed,
        n_nodes=len(kept),
        n_fixed=len(np.unique(label[is_fixed])),
        n_forbidden=len(np.unique(label[is_forbidden])),
    )


def _with_groups(label: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.isin(label, label[columns])


def _indices(
    named: Sequence[Any] | None, n_columns: int, names: NDArray[Any] | None, parameter: str
) -> NDArray[np.int64]:
    if named is None:
        return np.empty(0, dtype=np.int64)
    if isinstance(named, str) or np.ndim(named) != 1:
        raise ParameterError(f"{parameter} must list features by name or index, not {named!r}")
    index_of = {} if names is None else {name: i for i, name in enumerate(names)}
    found = [index_of.get(name, -1) if isinstance(name, str) else name for name in named]
    for name, index in zip(named, found, strict=True):
        is_index = isinstance(index, Integral) and not isinstance(index, bool)
        if not is_index or not 0 <= index < n_columns:
            raise ParameterError(
                f"{parameter} holds {name!r}, which X does not have: give "
                + ("" if names is None else "names or ")
                + f"indices from 0 to {n_columns - 1}"
            )
    return np.unique(np.array(found, dtype=np.int64))


def subset_sizes(
    nodes: Nodes, exactly: int | float | None, least: int, most: int | None
) -> tuple[int, int]:
    """Return the least and the most nodes of an ant's subset.

    Parameters
    ----------
    nodes : Nodes
    exactly : int, float or None
        Features to keep, fixed ones included; as a float the share of all.
    least, most : int, and None for no bound
        Bounds in place of an exact number.

    Raises
    ------
    ParameterError
        If no subset is as small or as large.

    Warns
    -----
    UserWarning
        If more are asked for than there are.
    """
    available = nodes.n_fixed + nodes.n_nodes
    name = "max_features"
    if exactly is not None:
        name = "n_features_to_select"
        if not isinstance(exactly, int | np.integer):
            exactly = max(1, int(exactly * (available + nodes.n_forbidden)))
        if not least <= exactly <= (most or exactly):
            raise ParameterError(
                f"n_features_to_select is {exactly}: min_features and max_features exclude it"
            )
        least = most = int(exactly)
    if most is not None and most > available:
        warnings.warn(
            f"{name} is {most}, and X has {available} features to choose from: taking {available}",
            UserWarning,
            # Whoever called `fit`.
            stacklevel=6,
        )
        most = available
        least = most if exactly is not None else least
    if most is not None and most <= nodes.n_fixed:
        raise ParameterError(
            f"{name} is {most} and {nodes.n_fixed} features are fixed: nothing is left to choose"
        )
    if least > available:
        raise ParameterError(f"min_features is {least}, and X has {available} features")
    if most is not None and least > most:
        raise ParameterError(f"min_features is {least} and max_features {most}: no size is both")
    return max(1, least - nodes.n_fixed), (available if most is None else most) - nodes.n_fixed


class NodeFitness:
    """A judge of columns, as a colony's fitness of nodes.

    Parameters
    ----------
    judge : callable
        Takes ascending columns, returns their score, or a tuple of it and a credit per column.
    nodes : Nodes
    costs : ndarray of shape (n_columns,), float64; or None
        With costs the fitness is ``phi * score + (1 - phi) * (1 - cost / cost of all)``, for a
        colony with a `phi` of 1.
    phi : float
    """

    def __init__(
        self,
        judge: Callable[[NDArray[np.int64]], Any],
        nodes: Nodes,
        *,
        costs: NDArray[np.float64] | None = None,
        phi: float = 1.0,
    ) -> None:
        self._judge = judge
        self._nodes = nodes
        self._costs = costs
        self._phi = phi
        if hasattr(judge, "next_iteration"):
            self.next_iteration = self._tell_judge

    def __call__(self, subset: NDArray[np.int64]) -> float | tuple[float, NDArray[np.float64]]:
        """Judge the columns of some nodes."""
        columns = self._nodes.columns(subset)
        judged = self._judge(columns)
        score, credit = judged if isinstance(judged, tuple) else (judged, None)
        if self._costs is not None:
            score = self._phi * score + (1 - self._phi) * self._thrift(columns)
        if credit is None:
            return float(score)
        per_column = np.zeros(len(self._nodes.node_of))
        per_column[columns] = credit
        return float(score), self._nodes.total(per_column)[subset]

    def plain_score(self, fitness: float, columns: NDArray[np.int64]) -> float:
        """Return the score of columns whose fitness is known."""
        if self._costs is None:
            return fitness
        return (fitness - (1 - self._phi) * self._thrift(columns)) / self._phi

    def _thrift(self, columns: NDArray[np.int64]) -> float:
        assert self._costs is not None
        return float(1 - self._costs[columns].sum() / self._costs.sum())

    def _tell_judge(self, credited: Sequence[NDArray[np.int64]]) -> None:
        columns = [self._nodes.columns(subset) for subset in credited]
        self._judge.next_iteration(columns)  # type: ignore[attr-defined]
