"""Matrices that are not faces, each split or made anew for every seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import train_test_split

N_SCORED = 4000
NOBODYS = -1


@dataclass(frozen=True)
class Matrix:
    """Rows to choose columns on, and rows that score the choice.

    Attributes
    ----------
    X, X_scored : ndarray of shape (n_rows, n_columns), float32
    y, y_scored : ndarray of shape (n_rows,), int64
    k : int
        Columns to choose.
    blocks : ndarray of shape (n_columns,), int64, or None
        Which of the things that matter a column shows, `NOBODYS` for none; None: nobody knows.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    X_scored: NDArray[np.float32]
    y_scored: NDArray[np.int64]
    k: int
    blocks: NDArray[np.int64] | None = None

    def found(self, subset: NDArray[np.int64]) -> int | None:
        """Return how many of the things that matter a subset shows."""
        if self.blocks is None:
            return None
        return len(np.setdiff1d(self.blocks[subset], [NOBODYS]))


def _split(X: NDArray[np.floating], y: NDArray[np.integer], n: int, k: int, seed: int) -> Matrix:
    parts = train_test_split(
        X.astype(np.float32), y.astype(np.int64), train_size=n, stratify=y, random_state=seed
    )
    return Matrix(parts[0], parts[2], parts[1], parts[3], k)


def shuffled(
    X: NDArray[np.floating],
    y: NDArray[np.integer],
    blocks: NDArray[np.int64],
    n: int,
    k: int,
    rng: np.random.Generator,
) -> Matrix:
    """Shuffle rows and columns; the first `n` rows are those to choose on."""
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    X, y = X[np.ix_(rows, columns)].astype(np.float32), y[rows].astype(np.int64)
    X = np.ascontiguousarray(X)
    return Matrix(X[:n], y[:n], X[n:], y[n:], k, blocks[columns])


def planted(seed: int) -> Matrix:
    """400 rows, 1,000 columns: 20 inform, 20 combine those, 960 are noise."""
    X, y = make_classification(
        400 + N_SCORED,
        1000,
        n_informative=20,
        n_redundant=20,
        n_classes=3,
        shuffle=False,
        random_state=seed,
    )
    blocks = np.full(1000, NOBODYS)
    blocks[:20] = np.arange(20)
    return shuffled(X, y, blocks, 400, 20, np.random.default_rng(seed))


def noise(seed: int) -> Matrix:
    """100 rows, 100,000 columns: the sign of the sum of two is the class."""
    rng = np.random.default_rng(seed)
    n, n_scored, n_columns = 100, 1000, 100_000
    X = rng.standard_normal((n + n_scored, n_columns), dtype=np.float32)
    pair = rng.choice(n_columns, 2, replace=False)
    y = (X[:, pair].sum(axis=1) > 0).astype(np.int64)
    blocks = np.full(n_columns, NOBODYS)
    blocks[pair] = 0, 1
    return Matrix(X[:n], y[:n], X[n:], y[n:], 10, blocks)


def digits(seed: int) -> Matrix:
    """600 of scikit-learn's 8 by 8 digits."""
    return _split(*load_digits(return_X_y=True), 600, 16, seed)


def breast_cancer(seed: int) -> Matrix:
    """Half of the Wisconsin patients, 30 measurements."""
    return _split(*load_breast_cancer(return_X_y=True), 284, 5, seed)


def blocks(seed: int) -> Matrix:
    """600 rows, 60 blocks of 10 columns correlated by .9: ten blocks matter, each less."""
    rng = np.random.default_rng(seed)
    n_blocks, size, n_rows = 60, 10, 600 + N_SCORED
    hidden = rng.standard_normal((n_rows, n_blocks))
    shared = np.repeat(hidden, size, axis=1)
    X = np.sqrt(0.9) * shared + np.sqrt(0.1) * rng.standard_normal(shared.shape)
    weights = rng.standard_normal((10, 4)) * np.linspace(1.5, 0.5, 10)[:, np.newaxis]
    y = (hidden[:, :10] @ weights + 0.5 * rng.standard_normal((n_rows, 4))).argmax(axis=1)
    of_block = np.where(np.arange(n_blocks) < 10, np.arange(n_blocks), NOBODYS)
    return shuffled(X, y, np.repeat(of_block, size), 600, 10, rng)


def copies(seed: int) -> Matrix:
    """600 rows, 400 columns: 100 nearly say one strong thing, 15 a weak one each."""
    rng = np.random.default_rng(seed)
    n_rows, n_weak = 600 + N_SCORED, 15
    hidden = rng.standard_normal((n_rows, 1 + n_weak))
    weights = rng.standard_normal((1 + n_weak, 3)) * np.append(2.0, np.full(n_weak, 0.7))[:, None]
    y = (hidden @ weights + 0.5 * rng.standard_normal((n_rows, 3))).argmax(axis=1)
    strong = hidden[:, :1] + 0.3 * rng.standard_normal((n_rows, 100))
    X = np.hstack([strong, hidden[:, 1:], rng.standard_normal((n_rows, 285))])
    of_column = np.full(X.shape[1], NOBODYS)
    of_column[:100] = 0
    of_column[100 : 100 + n_weak] = np.arange(1, 1 + n_weak)
    return shuffled(X, y, of_column, 600, 16, rng)


MATRICES: dict[str, Callable[[int], Matrix]] = {
    "planted": planted,
    "noise": noise,
    "digits": digits,
    "breast cancer": breast_cancer,
    "blocks": blocks,
    "copies": copies,
}
