"""From faces to a matrix: backbone, head and features, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.environment import RUNTIMES, installed_versions
from fer_fast.errors import OutputError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.loading import load_faces
from fer_fast.head.config import HeadConfig
from fer_fast.head.training import cached_head_model
from fer_fast.progress import SILENT, Clock, Reporter
from fer_fast.runtime.cuda import require_cuda
from fer_fast.runtime.session import Session, open_session
from fer_fast.settings import Settings
from fer_fast.storage.cache import Cache, Entry

_REVISION = 1
"""Counts changes of how the same model turns the same faces into other features."""


@dataclass(frozen=True)
class FaceFeatures:
    """The features of every face of a data set, and what computed them.

    Attributes
    ----------
    dataset : FaceDataset
    X : ndarray of shape (n_faces, n_features), float32
        Rows as in the data set.
    session : Session
    model : Path
        The ONNX file of backbone and head.
    channels : int or None
        Features of each cell of the backbone's grid, which stand together; None with a head, whose
        features have no place.
    """

    dataset: FaceDataset
    X: NDArray[np.float32]
    session: Session
    model: Path
    channels: int | None


def require_features(settings: Settings) -> None:
    """Raise what the settings of backbone and device would raise only after minutes of work.

    Raises
    ------
    ParameterError
        If there is no such backbone.
    DeviceError
        If CUDA is asked for and cannot be used.
    """
    _backbone_config(settings)
    if settings.device == "cuda" or settings.precision != "fp32":
        require_cuda()


def frozen_model(settings: Settings, *, reporter: Reporter = SILENT) -> Path:
    """Return the path of the exported backbone, without a head."""
    weights = resolve_weights(settings.weights, reporter=reporter)
    return cached_model(weights, _backbone_config(settings), reporter=reporter)


def open_model(model: Path, settings: Settings, *, reporter: Reporter = SILENT) -> Session:
    """Open a backbone, with or without a head, on the device that the settings ask for."""
    return open_session(
        model,
        device=settings.device,
        precision=settings.precision,
        jobs=settings.jobs,
        reporter=reporter,
    )


def _backbone_config(settings: Settings) -> BackboneConfig:
    return BackboneConfig(
        size=settings.size,
        taps=settings.taps,
        pooling=settings.pooling,
        equalise=settings.equalise,
    )


def model_with_head(
    backbone: Path,
    session: Session,
    dataset: FaceDataset,
    settings: Settings,
    *,
    reporter: Reporter = SILENT,
) -> Path:
    """Return the path of the backbone with the head that the settings ask for."""
    return cached_head_model(
        backbone,
        session,
        dataset,
        HeadConfig(
            channels=_backbone_config(settings).channels,
            epochs=settings.head_epochs,
            seed=settings.seed,
        ),
        batch_size=settings.batch_size,
        jobs=settings.jobs,
        reporter=reporter,
    )


def extract(
    settings: Settings,
    *,
    dataset: FaceDataset | None = None,
    reporter: Reporter = SILENT,
    clock: Clock | None = None,
) -> FaceFeatures:
    """Run the stages from the data set to its features.

    Parameters
    ----------
    settings : Settings
    dataset : FaceDataset or None
        What ``settings.data`` names, if it was read before.
    reporter : Reporter
    """
    require_features(settings)
    clock = clock or Clock()
    if freed := Cache().tidy():
        reporter.note(f"cache: removed {freed / 1e6:,.1f} MB that a killed run had left behind")
    with clock.stage("data"):
        if dataset is None:
            dataset = load_faces(settings.data, ferplus=settings.ferplus, reporter=reporter)
    with clock.stage("model"):
        model = frozen_model(settings, reporter=reporter)
        session = open_model(model, settings, reporter=reporter)
    if settings.head != "none":
        with clock.stage("head"):
            model = model_with_head(model, session, dataset, settings, reporter=reporter)
            # What there is to say of the device was said of the backbone.
            session = open_model(model, settings)
    with clock.stage("features"):
        X = cached_features(session, dataset, batch_size=settings.batch_size, reporter=reporter)
    channels = _backbone_config(settings).channels if settings.head == "none" else None
    return FaceFeatures(dataset, X, session, model, channels)


def mirrored_features(
    features: FaceFeatures, settings: Settings, *, reporter: Reporter = SILENT
) -> NDArray[np.float32]:
    """Return the features of the Training faces' mirror images, from the cache if they are there.

    Returns
    -------
    ndarray of shape (n_training, n_features), float32
        Rows as in ``features.dataset.rows(Split.TRAINING)``.
    """
    mirror_images = features.dataset.mirrored(Split.TRAINING)
    reporter.note(f"mirror: {len(mirror_images):,} mirror images join the Training faces")
    return cached_features(
        features.session, mirror_images, batch_size=settings.batch_size, reporter=reporter
    )


def cached_features(
    session: Session,
    dataset: FaceDataset,
    *,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> NDArray[np.float32]:
    """Return the features of every face, from the cache if they were computed before.

    The cache's key is the data set's digest, the model's, the kind of device, the precision and the
    release of ONNX Runtime: each rounds differently.

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
    computed: NDArray[np.float32] | None = None

    def make(file: BinaryIO) -> None:
        nonlocal computed
        if computed is None:
            with reporter.task(f"features on {session.device}", len(dataset), "images") as task:
                computed = session.features(
                    dataset.pixels, batch_size=batch_size, advance=task.advance
                )
        np.save(file, computed)

    key = {
        "dataset": dataset.digest,
        "model": session.model_digest,
        "device": [session.kind, session.precision],
        "runtime": installed_versions(RUNTIMES),
        "revision": _REVISION,
    }
    hit = f"features: nothing to extract, all {len(dataset):,} faces were met before"
    try:
        path = Cache(reporter).get_or_make(Entry("features", "faces", key, ".npy"), make, hit=hit)
    except OutputError as error:
        if computed is None:
            raise
        reporter.warn(f"the run goes on with features in memory alone: {error.message}")
    if computed is not None:
        return computed
    features: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return features
