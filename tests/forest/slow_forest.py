"""The native forest in plain Python, from its documentation: slow, recursive, one row at a time.

Columns must hold at most 64 distinct values, so that each is a bin of its own.
"""

from __future__ import annotations

from itertools import pairwise
from math import isqrt

import numpy as np

WORD = 2**64 - 1
STEP = 0x9E3779B97F4A7C15
BOOTSTRAP = WORD


def mix(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & WORD
    return x ^ (x >> 31)


def child_key(key, part):
    return mix(mix(key ^ STEP) + part * STEP & WORD)


class Stream:
    def __init__(self, key):
        self.state = key

    def below(self, n):
        self.state = self.state + STEP & WORD
        return (mix(self.state) >> 32) * n >> 32


class SlowForest:
    """Grow trees, collect their votes and the credit of their columns."""

    def __init__(
        self,
        X,
        y,
        n_classes,
        *,
        n_trees,
        draws=None,
        max_depth=None,
        min_samples_leaf=1,
        class_weights=None,
        twin_groups=None,
    ):
        self.X, self.y = np.asarray(X, dtype=np.float32), np.asarray(y)
        self.n_classes, self.n_trees, self.draws = n_classes, n_trees, draws
        self.max_depth, self.min_samples_leaf = max_depth, min_samples_leaf
        self.weights = np.ones(n_classes) if class_weights is None else np.asarray(class_weights)
        self.groups = np.arange(len(self.y)) if twin_groups is None else np.asarray(twin_groups)

    def evaluate(self, subset, seed, residual=None):
        """Return out-of-bag probabilities and credit, as the extension's `Forest.evaluate`."""
        self.columns = self.X[:, subset]
        if residual is None:
            residual = np.eye(self.n_classes)[self.y]
        self.residual = residual
        self.votes = np.zeros((len(self.y), self.n_classes))
        self.credit = np.zeros(len(subset))
        for tree in range(self.n_trees):
            key = child_key(seed, tree)
            self.drawn = self.draw_rows(key)
            judged = ~np.isin(self.groups, self.groups[self.drawn > 0])
            self.grow(key, 0, np.flatnonzero(self.drawn), np.flatnonzero(judged))
        with np.errstate(invalid="ignore"):
            return self.votes / self.votes.sum(axis=1, keepdims=True), self.credit

    def draw_rows(self, key):
        n_rows = len(self.y)
        if self.draws is None:
            return np.ones(n_rows, dtype=int)
        stream = Stream(child_key(key, BOOTSTRAP))
        rows = [stream.below(n_rows) for _ in range(self.draws)]
        return np.bincount(rows, minlength=n_rows)

    def counts(self, rows):
        return np.bincount(self.y[rows], self.drawn[rows], self.n_classes) * self.weights

    def shares(self, rows):
        counts = self.counts(rows)
        return counts / counts.sum()

    def grow(self, key, depth, rows, judged):
        cut = None
        is_leaf = (
            len(np.unique(self.y[rows])) == 1
            or len(rows) < 2 * self.min_samples_leaf
            or depth == self.max_depth
        )
        if not is_leaf:
            cut = self.best_cut(key, rows)
        if cut is None:
            self.votes[judged] += self.shares(rows)
            return
        position, threshold = cut
        column = self.columns[:, position]
        for child in (0, 1):
            inside = rows[(column[rows] > threshold) == child]
            reached = judged[(column[judged] > threshold) == child]
            step = self.shares(inside) - self.shares(rows)
            self.credit[position] += (self.residual[reached] @ step).sum()
            self.grow(child_key(key, child), depth + 1, inside, reached)

    def best_cut(self, key, rows):
        """Draw columns until enough were seen, one that varies among them."""
        stream = Stream(key)
        drawn, constant = [], 0
        n_columns = self.columns.shape[1]
        best, choice = -np.inf, None
        while len(drawn) < n_columns:
            if len(drawn) >= isqrt(n_columns) and len(drawn) > constant:
                break
            position = stream.below(n_columns)
            if position in drawn:
                continue
            drawn.append(position)
            values = self.columns[rows, position]
            distinct = np.unique(values)
            constant += len(distinct) == 1
            for low, high in pairwise(distinct):
                left, right = rows[values <= low], rows[values >= high]
                if min(len(left), len(right)) < self.min_samples_leaf:
                    continue
                purity = self.purity(self.counts(left), self.counts(right))
                if purity > best:
                    best, choice = purity, (position, np.float32((low + high) / 2))
        return choice

    @staticmethod
    def purity(left, right):
        (squares, weight), (others, other) = ((s @ s, s.sum()) for s in (left, right))
        return (squares * other + others * weight) / (weight * other)
