"""Reading faces: FER-2013 in its published layouts, and a synthetic default."""

from fer_fast.datasets.duplicates import (
    blank_images,
    conflicting_labels,
    duplicate_groups,
    shared_across_splits,
)
from fer_fast.datasets.faces import FACE_SIDE, LABELS, SPLIT_NAMES, FaceDataset, Split
from fer_fast.datasets.loading import load_dataset
from fer_fast.datasets.stored import save_npz
from fer_fast.datasets.synthetic import synthetic_faces

__all__ = [
    "FACE_SIDE",
    "LABELS",
    "SPLIT_NAMES",
    "FaceDataset",
    "Split",
    "blank_images",
    "conflicting_labels",
    "duplicate_groups",
    "load_dataset",
    "save_npz",
    "shared_across_splits",
    "synthetic_faces",
]
