from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from fer_fast.balance import neighbours
from fer_fast.balance.neighbours import BLOCK, ScreenedNeighbors


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
    found = ScreenedNeighbors(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
    # Rows equally far differ in the last digit, by the order in which squares are summed.
    np.testing.assert_allclose(distances_of(X, found), brute_force(X, 6), rtol=1e-14)
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
    found = ScreenedNeighbors(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
    distances = (X[:, None, :] != X[None, :, :]).sum(axis=2)
    np.testing.assert_array_equal(found, np.argsort(distances, axis=1, kind="stable")[:, :6])


def test_scikit_learns_neighbours_differ_by_ties_alone():
    X = lattice(0, 2 * BLOCK + 88, 10, 40)
    ours, theirs = (
        kind(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
        for kind in (ScreenedNeighbors, NearestNeighbors)
    )
    assert (ours != theirs).any(), "without ties this would say nothing"
    np.testing.assert_array_equal(
        np.sort(distances_of(X, ours), axis=1), np.sort(distances_of(X, theirs), axis=1)
    )


def test_wide_rows_of_large_norm_are_told_apart():
    # In float32 the distances, about 50, drown in norms of a million.
    rng = np.random.default_rng(0)
    X = (1e4 + rng.integers(0, 2, size=(60, 5120))).astype(np.float32)
    found = ScreenedNeighbors(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
    np.testing.assert_array_equal(distances_of(X, found), brute_force(X, 6))


@pytest.mark.parametrize("n_jobs", [None, 1, 3])
@pytest.mark.parametrize("room", [0, 2**28], ids=["block by block", "all pairs at once"])
def test_equals_scikit_learn_over_several_blocks(n_jobs, room, monkeypatch):
    monkeypatch.setattr(neighbours, "_GRAM_BYTES", room)
    rng = np.random.default_rng(0)
    X = np.maximum(rng.normal(size=(2 * BLOCK + 37, 80)), 0).astype(np.float32)
    expected = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X, return_distance=False)
    screened = ScreenedNeighbors(n_neighbors=6, n_jobs=n_jobs).fit(X)
    np.testing.assert_array_equal(screened.kneighbors(X, return_distance=False), expected)


def test_other_queries_are_scikit_learns_own():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 8)).astype(np.float32)
    ours, theirs = (nn(n_neighbors=3).fit(X) for nn in (ScreenedNeighbors, NearestNeighbors))
    for mine, expected in zip(ours.kneighbors(X + 1), theirs.kneighbors(X + 1), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_values_too_large_to_screen_are_scikit_learns_own():
    X = np.random.default_rng(0).normal(scale=1e15, size=(50, 8)).astype(np.float32)
    ours, theirs = (nn(n_neighbors=3).fit(X) for nn in (ScreenedNeighbors, NearestNeighbors))
    np.testing.assert_array_equal(
        ours.kneighbors(X, return_distance=False), theirs.kneighbors(X, return_distance=False)
    )
