"""A random forest as one operator of ONNX: ``TreeEnsemble`` of ``ai.onnx.ml`` 5.

The operator adds votes, of which a tree has one, and a division makes shares of them: whole votes
add up without rounding. A leaf gives its votes to one class. A leaf of several classes gives those
of its first class in the tree itself, and those of each further one in a copy of the tree that is
pruned to the paths to such leaves, where every other leaf gives none: forests grown to purity have
few of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import ParameterError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

    from fer_fast.forest.hist_forest import HistForestClassifier

Indices = NDArray[np.int64]

ML_OPSET = 5
"""The version of ``ai.onnx.ml`` that has ``TreeEnsemble``."""

_OPSET, _IR_VERSION = 18, 10
_SUM, _NO_TRANSFORM, _AT_MOST = 1, 0, 0
_LEAF, _FLAG = 1 << 31, 1 << 30
"""How `_core.Trees.to_parts` marks a leaf, and a leaf of one class or missing values going left."""


def to_onnx(
    forest: HistForestClassifier | RandomForestClassifier,
    *,
    targets: Sequence[int] | None = None,
    n_targets: int | None = None,
) -> Any:
    """Return a fitted forest as an ONNX model of one ``TreeEnsemble`` and a division.

    Its input ``features`` is float32 (n, n_features), its output ``probabilities`` float32
    (n, n_targets): the forest's `predict_proba` but for the rounding of sums. A threshold is
    rounded down to float32, so that no row goes another way.

    Parameters
    ----------
    forest : HistForestClassifier or RandomForestClassifier
        Fitted, with one output.
    targets : sequence of int or None
        The column of each of the forest's classes; None: their own order.
    n_targets : int or None
        Columns there are; None: as many as classes. A column of no class is 0.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ParameterError
        If the targets do not fit the forest's classes.
    """
    n_classes = len(forest.classes_)
    columns = np.arange(n_classes) if targets is None else np.asarray(targets, dtype=np.int64)
    width = n_classes if n_targets is None else n_targets
    if len(columns) != n_classes or columns.min() < 0 or columns.max() >= width:
        raise ParameterError(
            f"targets are {columns.tolist()} for {n_classes} classes in {width} columns: give each "
            "class a column of its own"
        )
    ensemble = _Ensemble(columns)
    trees = _native(forest) if hasattr(forest, "_trees") else _of_sklearn(forest)
    for tree in trees:
        for rank in range(max(1, int(tree.n_shares.max()))):
            ensemble.add(tree, rank)
    return ensemble.model(forest.n_features_in_, width, len(trees))


@dataclass(frozen=True)
class _Tree:
    """One tree; arrays have an entry a node.

    A leaf's classes and their shares stand from `first_share` on, `n_shares` of them.
    """

    left: Indices
    right: Indices
    feature: Indices
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    n_shares: Indices
    first_share: Indices
    classes: Indices
    shares: NDArray[np.float64]

    @property
    def is_leaf(self) -> NDArray[np.bool_]:
        return self.n_shares > 0

    def paths_to(self, leaves: Indices) -> NDArray[np.bool_]:
        """Tell which nodes are one of the leaves or above one."""
        inner = np.flatnonzero(~self.is_leaf)
        parent = np.full(len(self.left), -1)
        parent[self.left[inner]] = parent[self.right[inner]] = inner
        marked = np.zeros(len(self.left), dtype=bool)
        reached = leaves
        while len(reached):
            marked[reached] = True
            reached = np.unique(parent[reached])
            reached = reached[reached >= 0]
            reached = reached[~marked[reached]]
        return marked


def _native(forest: Any) -> list[_Tree]:
    nodes, starts, mixed, _ = forest._trees.to_parts()
    nodes = nodes.reshape(-1, 3)
    mixed = mixed.reshape(-1, len(forest.classes_)).astype(np.float64)
    return [
        _native_tree(nodes[start:end], mixed)
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]


def _native_tree(nodes: NDArray[np.uint32], mixed: NDArray[np.float64]) -> _Tree:
    threshold = np.ascontiguousarray(nodes[:, 0]).view(np.float32)
    column, last = nodes[:, 1].astype(np.int64), nodes[:, 2].astype(np.int64)
    is_leaf, is_flagged = column & _LEAF > 0, column & _FLAG > 0
    rows = mixed[last[is_leaf & ~is_flagged]]
    n_shares = is_leaf.astype(np.int64)
    n_shares[is_leaf & ~is_flagged] = (rows > 0).sum(axis=1)
    first = np.cumsum(n_shares) - n_shares
    classes = np.zeros(n_shares.sum(), dtype=np.int64)
    shares = np.ones(len(classes))
    pure = is_leaf & is_flagged
    classes[first[pure]] = last[pure]
    row, found = np.nonzero(rows)
    # The entries of mixed leaves, in the order of leaves and classes.
    is_mixed = np.repeat(is_leaf & ~is_flagged, n_shares)
    classes[is_mixed], shares[is_mixed] = found, rows[row, found]
    here = np.arange(len(nodes))
    return _Tree(
        left=np.where(is_leaf, 0, here + 1),
        right=np.where(is_leaf, 0, here + last),
        feature=np.where(is_leaf, 0, column & ~(_LEAF | _FLAG)),
        threshold=threshold,
        missing_left=is_flagged & ~is_leaf,
        n_shares=n_shares,
        first_share=first,
        classes=classes,
        shares=shares,
    )


def _of_sklearn(forest: Any) -> list[_Tree]:
    return [_sklearn_tree(estimator.tree_) for estimator in forest.estimators_]


def _sklearn_tree(tree: Any) -> _Tree:
    is_leaf = tree.children_left < 0
    values = np.where(is_leaf[:, None], tree.value[:, 0, :], 0)
    # Older versions keep counts.
    values = values / np.maximum(values.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    leaf, classes = np.nonzero(values)
    n_shares = np.bincount(leaf, minlength=len(values))
    with np.errstate(over="ignore"):
        threshold = tree.threshold.astype(np.float32)
    # Rounded down, for a float32 value at most the threshold is at most that.
    threshold = np.where(
        threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold
    )
    return _Tree(
        left=np.where(is_leaf, 0, tree.children_left),
        right=np.where(is_leaf, 0, tree.children_right),
        feature=np.where(is_leaf, 0, tree.feature),
        threshold=threshold,
        missing_left=tree.missing_go_to_left.astype(bool) & ~is_leaf,
        n_shares=n_shares,
        first_share=np.cumsum(n_shares) - n_shares,
        classes=classes,
        shares=values[leaf, classes],
    )


class _Ensemble:
    """The operator's arrays, tree after tree."""

    def __init__(self, targets: Indices) -> None:
        self._targets = targets
        self._nodes: list[tuple[NDArray[Any], ...]] = []
        self._leaves: list[tuple[Indices, NDArray[np.float64]]] = []
        self._n_nodes = self._n_leaves = 0
        self._roots: list[int] = []

    def add(self, tree: _Tree, rank: int) -> None:
        """Add what a tree gives to each leaf's class of one rank."""
        leaves = np.flatnonzero(tree.n_shares > rank)
        inner = np.flatnonzero(tree.paths_to(leaves) & ~tree.is_leaf)
        self._roots.append(self._n_nodes)
        if len(inner) == 0:
            # The operator knows no tree without a cut: both ways lead to the same.
            target, weight = self._said(tree, np.zeros(2, dtype=np.int64), rank)
            sides = self._n_leaves + np.arange(2)
            zero, yes = np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
            nodes = (zero, np.zeros(1, np.float32), zero, sides[:1], yes, sides[1:], yes)
            self._append(nodes, target, weight)
            return
        position = np.full(len(tree.left), -1)
        position[inner] = self._n_nodes + np.arange(len(inner))
        children = np.stack([tree.left[inner], tree.right[inner]])
        ends = position[children] < 0
        ids = position[children]
        ids[ends] = self._n_leaves + np.arange(ends.sum())
        target, weight = self._said(tree, children[ends], rank)
        nodes = (
            tree.feature[inner],
            tree.threshold[inner],
            tree.missing_left[inner].astype(np.int64),
            ids[0],
            ends[0].astype(np.int64),
            ids[1],
            ends[1].astype(np.int64),
        )
        self._append(nodes, target, weight)

    def _said(self, tree: _Tree, nodes: Indices, rank: int) -> tuple[Indices, NDArray[np.float64]]:
        """Return each node's target and votes: none where it is no leaf with so many classes."""
        has = tree.n_shares[nodes] > rank
        share = np.where(has, tree.first_share[nodes] + rank, 0)
        return self._targets[tree.classes[share]], np.where(has, tree.shares[share], 0)

    def _append(
        self, nodes: tuple[NDArray[Any], ...], target: Indices, weight: NDArray[np.float64]
    ) -> None:
        self._nodes.append(nodes)
        self._leaves.append((target, weight))
        self._n_nodes += len(nodes[0])
        self._n_leaves += len(target)

    def model(self, n_features: int, n_targets: int, n_trees: int) -> Any:
        """Return the model."""
        from onnx import TensorProto, helper, numpy_helper

        feature, split, missing, true, true_leaf, false, false_leaf = map(
            np.concatenate, zip(*self._nodes, strict=True)
        )
        target, weight = map(np.concatenate, zip(*self._leaves, strict=True))
        modes = np.full(len(feature), _AT_MOST, np.uint8)
        # By default missing values go where the comparison, which is false, sends them.
        optional = {"nodes_missing_value_tracks_true": missing.tolist()} if missing.any() else {}
        ensemble = helper.make_node(
            "TreeEnsemble",
            ["features"],
            ["votes"],
            domain="ai.onnx.ml",
            aggregate_function=_SUM,
            post_transform=_NO_TRANSFORM,
            n_targets=n_targets,
            tree_roots=self._roots,
            nodes_featureids=feature.tolist(),
            nodes_splits=numpy_helper.from_array(split.astype(np.float32)),
            nodes_modes=numpy_helper.from_array(modes),
            nodes_truenodeids=true.tolist(),
            nodes_trueleafs=true_leaf.tolist(),
            nodes_falsenodeids=false.tolist(),
            nodes_falseleafs=false_leaf.tolist(),
            leaf_targetids=target.tolist(),
            leaf_weights=numpy_helper.from_array(weight.astype(np.float32)),
            **optional,
        )
        division = helper.make_node("Div", ["votes", "n_trees"], ["probabilities"])
        graph = helper.make_graph(
            [ensemble, division],
            "forest",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_targets])],
            [numpy_helper.from_array(np.array(n_trees, np.float32), "n_trees")],
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
