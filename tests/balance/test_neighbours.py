from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from fer_fast.balance.neighbours import BLOCK, nearest_rows


def brute_force(X, k):
    X = X.astype(np.float64)
    distances = ((X[:, None, :] - X[None, :, :]) ** 2).sum(axis=2)
    return np.sort(distances, axis=1)[:, :k]


def distances_of(X, neighbors):
    gaps = X[neighbors].astype(np.float64) - X[:, None, :].astype(np.float64)
    return (gaps**2).sum(axis=2)


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(8, 60),
    st.integers(1, 30),
    st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    st.sampled_from([1e-4, 1.0, 1e4]),
)
def test_finds_the_nearest_rows_whatever_float32_makes_of_them(seed, n, d, offset, scale):
    # A far offset drowns the distances in float32: only float64 can tell the rows apart.
    rng = np.random.default_rng(seed)
    X = (offset + scale * rng.integers(0, 4, size=(n, d))).astype(np.float32)
    found = nearest_rows(X, np.arange(len(X)), 6, n_jobs=1)
    np.testing.assert_array_equal(distances_of(X, found), brute_force(X, 6))
    assert all(len(set(row)) == 6 for row in found.tolist())


def lattice(seed: int, n: int, d: int, n_copies: int) -> np.ndarray:
    """Return rows of zeros and ones, of which some are copies of others."""
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 2, size=(n, d)).astype(np.float32)
    X[rng.choice(n, n_copies, replace=False)] = X[rng.choice(n, n_copies)]
    return X


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(8, 80), st.integers(1, 12), st.integers(0, 8))
def test_of_rows_equally_far_the_first_is_taken(seed, n, d, n_copies):
    X = lattice(seed, n, d, n_copies)
    found = nearest_rows(X, np.arange(len(X)), 6, n_jobs=1)
    distances = (X[:, None, :] != X[None, :, :]).sum(axis=2)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1, kind="stable")[:, :6])


def test_scikit_learns_neighbours_differ_by_ties_alone():
    X = lattice(0, 2 * BLOCK + 88, 10, 40)
    ours = nearest_rows(X, np.arange(len(X)), 6, n_jobs=1)
    theirs = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
    assert (ours != theirs).any(), "without ties this would say nothing"
    np.testing.assert_array_equal(
        np.sort(distances_of(X, ours), axis=1), np.sort(distances_of(X, theirs), axis=1)
    )


def test_wide_rows_of_large_norm_are_told_apart():
    # In float32 the distances, about 50, drown in norms of a million.
    rng = np.random.default_rng(0)
    X = (1e4 + rng.integers(0, 2, size=(60, 5120))).astype(np.float32)
    found = nearest_rows(X, np.arange(len(X)), 6, n_jobs=1)
    np.testing.assert_array_equal(distances_of(X, found), brute_force(X, 6))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_equals_scikit_learn_for_some_rows_over_several_blocks(n_jobs):
    rng = np.random.default_rng(0)
    X = np.maximum(rng.normal(size=(3 * BLOCK, 80)), 0).astype(np.float32)
    of = np.sort(rng.choice(len(X), 2 * BLOCK + 37, replace=False))
    expected = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X[of], return_distance=False)
    np.testing.assert_array_equal(nearest_rows(X, of, 6, n_jobs=n_jobs), expected)


@pytest.mark.parametrize(("scale", "dtype"), [(1e15, np.float32), (1.0, np.float64)])
def test_what_cannot_be_screened_has_its_neighbours_too(scale, dtype):
    X = np.random.default_rng(0).normal(scale=scale, size=(50, 8)).astype(dtype)
    found = nearest_rows(X, np.arange(7, 50), 3, n_jobs=1)
    np.testing.assert_allclose(
        ((X[found].astype(np.float64) - X[7:, None]) ** 2).sum(axis=2), brute_force(X, 3)[7:]
    )
