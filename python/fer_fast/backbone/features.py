"""Features of a whole data set, computed once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.cached import is_intact, seal
from fer_fast.backbone.session import Session
from fer_fast.datasets.faces import FaceDataset
from fer_fast.errors import OutputError
from fer_fast.progress import SILENT, Reporter
from fer_fast.storage import cache_dir, written_whole


def cached_features(
    session: Session,
    dataset: FaceDataset,
    *,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> NDArray[np.float32]:
    """Return the features of every face, from the cache if they were computed before.

    The cache's key is the data set's digest, the model's digest, the kind of device and the
    precision: each rounds differently.

    Parameters
    ----------
    session : Session
    dataset : FaceDataset
    batch_size : int or None
        Faces in one call of the model; None: a good one for the device.
    reporter : Reporter

    Returns
    -------
    ndarray of shape (n_faces, n_features), float32, C order
        Row i belongs to face i. Read-only and memory-mapped if it came from the cache.
    """
    path = _cache_path(session, dataset)
    if is_intact(path, reporter):
        reporter.note(f"features: nothing to extract, all {len(dataset):,} faces are in the cache")
        features: NDArray[np.float32] = np.load(path, mmap_mode="r")
        return features
    with reporter.task(f"features on {session.device}", len(dataset), "images") as task:
        features = session.features(dataset.pixels, batch_size=batch_size, advance=task.advance)
    try:
        with written_whole(path) as temporary:
            np.save(temporary, features)
        seal(path)
    except OutputError as error:
        reporter.warn(f"the features are not cached, the run goes on with them: {error}")
    return features


def _cache_path(session: Session, dataset: FaceDataset) -> Path:
    identity = (dataset.digest[:16], session.model_digest[:16], session.kind, session.precision)
    name = "-".join(identity) + ".npy"
    return cache_dir("features") / name
