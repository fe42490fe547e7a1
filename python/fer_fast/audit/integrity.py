"""What a data set of faces holds twice, or wrongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import (
    blank_images,
    conflicting_labels,
    duplicate_groups,
    shared_across_splits,
)
from fer_fast.progress import SILENT, Reporter

NEAR = 0.98
"""Correlation of two images' pixels from which on they count as nearly the same picture."""

_COARSE_SIDE = 12
_COARSE_SLACK = 0.02
_BLOCK = 2048


@dataclass(frozen=True)
class Integrity:
    """Counts of faces.

    Attributes
    ----------
    faces : int
    redundant : int
        Faces whose exact image came before: without them every image would be there once.
    shared : dict of Split to int
        Per split, faces whose exact image stands in another split too.
    near : int
        Faces that have a near duplicate which is no exact one: another image, whose pixels
        correlate by `NEAR` or more with the face or its mirror image.
    near_shared : dict of Split to int
        Per split, faces with such a near duplicate in another split.
    conflicting : int
        Faces whose exact image stands there under another label too.
    conflicting_images : int
        How many images those are.
    blank : int
        Images of one even tone.
    """

    faces: int
    redundant: int
    shared: dict[Split, int]
    near: int
    near_shared: dict[Split, int]
    conflicting: int
    conflicting_images: int
    blank: int


def check_integrity(dataset: FaceDataset, *, reporter: Reporter = SILENT) -> Integrity:
    """Count duplicates, conflicting labels and blank images."""
    groups = duplicate_groups(dataset)
    shared = shared_across_splits(dataset)
    conflicting = conflicting_labels(dataset)
    pairs = near_duplicates(dataset, reporter=reporter)
    across = pairs[dataset.splits[pairs[:, 0]] != dataset.splits[pairs[:, 1]]]

    def by_split(rows: NDArray[np.intp]) -> dict[Split, int]:
        return {split: int(np.sum(dataset.splits[rows] == split)) for split in Split}

    return Integrity(
        faces=len(dataset),
        redundant=len(dataset) - len(np.unique(groups)),
        shared=by_split(np.flatnonzero(shared)),
        near=len(np.unique(pairs)),
        near_shared=by_split(np.unique(across)),
        conflicting=int(conflicting.sum()),
        conflicting_images=len(np.unique(groups[conflicting])),
        blank=int(blank_images(dataset).sum()),
    )


def near_duplicates(dataset: FaceDataset, *, reporter: Reporter = SILENT) -> NDArray[np.intp]:
    """Find the pairs of faces that are nearly, but not exactly, the same picture.

    The correlation of pixels ignores brightness and contrast. Pairs are first sought among
    12x12 averages, which blur a picture and its copy alike, then checked at full resolution.

    Returns
    -------
    ndarray of shape (n_pairs, 2), intp
        The first face of a pair has the lower row.
    """
    varied = np.flatnonzero(~blank_images(dataset))
    groups = duplicate_groups(dataset)[varied]
    pixels = dataset.pixels[varied].astype(np.float32)
    factor = pixels.shape[1] // _COARSE_SIDE
    coarse_pixels = pixels.reshape(-1, _COARSE_SIDE, factor, _COARSE_SIDE, factor).mean((2, 4))
    found = [np.empty((0, 2), np.intp)]
    with reporter.task("near duplicates", len(varied), "images") as task:
        for turned in (False, True):
            other = coarse_pixels[:, :, ::-1] if turned else coarse_pixels
            coarse, coarse_other = _standardised(coarse_pixels), _standardised(other)
            for start in range(0, len(varied), _BLOCK):
                similar = coarse[start : start + _BLOCK] @ coarse_other[start:].T
                first, second = np.nonzero(similar > NEAR - _COARSE_SLACK)
                first, second = first + start, second + start
                keep = (first < second) & (groups[first] != groups[second])
                first, second = first[keep], second[keep]
                opposite = pixels[second]
                exact = np.sum(
                    _standardised(pixels[first])
                    * _standardised(opposite[:, :, ::-1] if turned else opposite),
                    axis=1,
                )
                near = exact >= NEAR
                found.append(np.column_stack([first[near], second[near]]))
                if turned:
                    task.advance(min(_BLOCK, len(varied) - start))
    pairs: NDArray[np.intp] = varied[np.unique(np.concatenate(found), axis=0)]
    return pairs


def _standardised(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return flat images of mean 0 and length 1, so that a product of two is a correlation."""
    flat = images.reshape(len(images), images.shape[1] * images.shape[2])
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    result: NDArray[np.float32] = flat / np.maximum(length, np.float32(1e-6))
    return result
