"""From faces to a matrix: backbone, head and features, each made once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.backbone.weights import resolve_weights
from fer_fast.environment import RUNTIMES, installed_versions
from fer_fast.errors import DataError, DeviceError, OutputError
from fer_fast.execution.workers import Workers
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.loading import load_faces
from fer_fast.head.config import HeadConfig
from fer_fast.head.training import cached_head_model
from fer_fast.progress import SILENT, Clock, Reporter
from fer_fast.runtime.cuda import require_cuda
from fer_fast.runtime.remote import Extractor, RemoteSession
from fer_fast.runtime.session import open_session
from fer_fast.settings import Settings
from fer_fast.storage.cache import Cache, Entry

_REVISION = 1
"""Counts changes of how the same model turns the same faces into other features."""

_KIND = "features"
"""The cache's folder."""

_BLOCK_BYTES = 2**30
"""Features computed before they are written; all of FER-2013's are three quarters of it."""


@dataclass(frozen=True)
class FaceFeatures:
    """The features of every face of a data set, and what computed them.

    Attributes
    ----------
    dataset : FaceDataset
    X : ndarray of shape (n_faces, n_features), float32
        Rows as in the data set.
    session : Extractor
    model : Path
        The ONNX file of backbone and head.
    channels : int or None
        Features of each cell of the backbone's grid, which stand together; None with a head, whose
        features have no place.
    """

    dataset: FaceDataset
    X: NDArray[np.float32]
    session: Extractor
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
    is_here = settings.dask is None
    if is_here and (settings.device == "cuda" or settings.precision != "fp32"):
        require_cuda()


def frozen_model(settings: Settings, *, reporter: Reporter = SILENT) -> Path:
    """Return the path of the exported backbone, without a head."""
    weights = resolve_weights(settings.weights, reporter=reporter)
    return cached_model(weights, _backbone_config(settings), reporter=reporter)


def open_model(
    model: Path,
    settings: Settings,
    *,
    workers: Workers | None = None,
    reporter: Reporter = SILENT,
) -> Extractor:
    """Open a backbone, with or without a head, on the device that the settings ask for.

    With workers it is opened by each of them, and not here.
    """
    if workers is not None:
        return RemoteSession(model, workers, settings.device, precision=settings.precision)
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
    session: Extractor,
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
            members=settings.head_members,
        ),
        batch_size=settings.batch_size,
        jobs=settings.jobs,
        reporter=reporter,
    )


def extract(
    settings: Settings,
    *,
    dataset: FaceDataset | None = None,
    workers: Workers | None = None,
    reporter: Reporter = SILENT,
    clock: Clock | None = None,
) -> FaceFeatures:
    """Run the stages from the data set to its features.

    Parameters
    ----------
    settings : Settings
    dataset : FaceDataset or None
        What ``settings.data`` names, if it was read before.
    workers : Workers or None
        What computes; None: this process.
    reporter : Reporter
    """
    clock = clock or Clock()
    dataset, model, session = open_faces(
        settings, dataset=dataset, workers=workers, reporter=reporter, clock=clock
    )
    with clock.stage("features"):
        X = cached_features(session, dataset, batch_size=settings.batch_size, reporter=reporter)
    channels = _backbone_config(settings).channels if settings.head == "none" else None
    return FaceFeatures(dataset, X, session, model, channels)


def open_faces(
    settings: Settings,
    *,
    dataset: FaceDataset | None = None,
    workers: Workers | None = None,
    reporter: Reporter = SILENT,
    clock: Clock | None = None,
) -> tuple[FaceDataset, Path, Extractor]:
    """Run the stages before the features: the data set, the model, and the model opened."""
    require_features(settings)
    clock = clock or Clock()
    if freed := Cache().tidy():
        reporter.note(f"cache: removed {freed / 1e6:,.1f} MB that a killed run had left behind")
    with clock.stage("data"):
        if dataset is None:
            dataset = load_faces(settings.data, ferplus=settings.ferplus, reporter=reporter)
    with clock.stage("model"):
        model = frozen_model(settings, reporter=reporter)
        session = open_model(model, settings, workers=workers, reporter=reporter)
    if settings.head != "none":
        with clock.stage("head"):
            model = model_with_head(model, session, dataset, settings, reporter=reporter)
            # What there is to say of the device was said of the backbone.
            session = open_model(model, settings, workers=workers)
    return dataset, model, session


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
    session: Extractor,
    dataset: FaceDataset,
    *,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> NDArray[np.float32]:
    """Return the features of every face, from the cache if they were computed before.

    The cache's key is the data set's digest, the model's, the kind of device, the precision and the
    release of ONNX Runtime: each rounds differently. Where they take more than a gigabyte, they are
    written to the cache as they come, and no more than that is held in memory.

    Parameters
    ----------
    session : Extractor
    dataset : FaceDataset
    batch_size : int or None
        Faces in one call of the model; None: a good one for the device.
    reporter : Reporter

    Returns
    -------
    ndarray of shape (n_faces, n_features), float32, C order
        Row i belongs to face i. Read-only and memory-mapped if it came from the cache.

    Raises
    ------
    OutputError
        If they take more than a gigabyte and cannot be kept anywhere.
    """
    blocks = _Blocks(session, dataset.pixels, batch_size, reporter)
    hit = f"features: nothing to extract, all {len(dataset):,} faces were met before"
    entry = _entry(session, dataset)
    try:
        path = Cache(reporter).get_or_make(entry, blocks.write, hit=hit)
    except OutputError as error:
        if blocks.whole is None:
            raise
        reporter.warn(f"the run goes on with features in memory alone: {error.message}")
    return _mapped(path) if blocks.whole is None else blocks.whole


def _mapped(path: Path) -> NDArray[np.float32]:
    features: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return features


def _entry(session: Extractor, dataset: FaceDataset, label: str = "faces") -> Entry:
    key = {
        "dataset": dataset.digest,
        "model": session.model_digest,
        "device": [session.kind, session.precision],
        "runtime": installed_versions(RUNTIMES),
        "revision": _REVISION,
    }
    return Entry(_KIND, label, key, ".npy")


class _Blocks:
    """The features of some faces, computed and written block by block.

    Attributes
    ----------
    whole : ndarray of shape (n_faces, n_features), float32, or None
        All of them, once they are computed and if they are one block: never computed twice.
    """

    def __init__(
        self,
        session: Extractor,
        pixels: NDArray[np.uint8],
        batch_size: int | None,
        reporter: Reporter,
    ) -> None:
        self._session = session
        self._pixels = pixels
        self._batch_size = batch_size
        self._reporter = reporter
        self.whole: NDArray[np.float32] | None = None

    def write(self, file: BinaryIO) -> None:
        """Write them as a ``.npy`` to a file that cannot be rewound."""
        _write_header(file, (len(self._pixels), self._session.n_features))
        for block in self._computed():
            file.write(block.data)

    def _computed(self) -> Iterator[NDArray[np.float32]]:
        if self.whole is not None:
            yield self.whole
            return
        session, n_faces = self._session, len(self._pixels)
        size = max(1, _BLOCK_BYTES // (4 * session.n_features))
        kind = session.kind
        with self._reporter.task(f"features on {session.device}", n_faces, "images") as task:
            for start in range(0, n_faces, size):
                block = session.features(
                    self._pixels[start : start + size],
                    batch_size=self._batch_size,
                    advance=task.advance,
                )
                if size >= n_faces:
                    self.whole = block
                elif session.kind != kind:
                    raise DeviceError(
                        f"the device failed after {start:,} of {n_faces:,} faces, and another "
                        "rounds differently",
                        hint="run again, or with --device cpu",
                    )
                yield block


def _write_header(file: BinaryIO, shape: tuple[int, int]) -> None:
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


@dataclass(frozen=True)
class Shard:
    """One of as many parts of about as many faces each.

    Attributes
    ----------
    number : int
        From 1.
    of : int
    """

    number: int
    of: int

    def rows(self, n_faces: int) -> slice:
        """Return the faces of the part."""
        return slice(n_faces * (self.number - 1) // self.of, n_faces * self.number // self.of)

    @property
    def label(self) -> str:
        """How the cached file's name starts."""
        return f"faces-{self.number}-of-{self.of}"

    @classmethod
    def from_label(cls, name: str) -> Shard | None:
        """Return the part that a cached file is; None: it is none."""
        found = re.match(r"faces-(\d+)-of-(\d+)-", name)
        return None if found is None else cls(int(found[1]), int(found[2]))


def cached_shard(
    session: Extractor,
    dataset: FaceDataset,
    shard: Shard,
    *,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> Path:
    """Compute one part of a data set's features, and return where the cache has it.

    The file has its name only when it is whole; a part that is there is not computed again.
    """
    pixels = dataset.pixels[shard.rows(len(dataset))]
    blocks = _Blocks(session, pixels, batch_size, reporter)
    hit = f"features: part {shard.number} of {shard.of} was computed before"
    entry = _entry(session, dataset, shard.label)
    return Cache(reporter).get_or_make(entry, blocks.write, hit=hit)


def merged_features(
    session: Extractor, dataset: FaceDataset, *, reporter: Reporter = SILENT
) -> NDArray[np.float32]:
    """Join the parts of a data set's features that the cache holds, and remove them.

    The file is the one that `cached_features` would have written and will find.

    Returns
    -------
    ndarray of shape (n_faces, n_features), float32, C order
        Read-only and memory-mapped.

    Raises
    ------
    DataError
        If a part is missing, damaged or of another shape.
    """
    cache = Cache(reporter)
    joined: list[Path] = []

    def make(file: BinaryIO) -> None:
        joined[:] = _parts(cache, session, dataset)
        _write_header(file, (len(dataset), session.n_features))
        with reporter.task("joining the parts", len(joined), "parts") as task:
            for path in joined:
                file.write(_mapped(path).data)
                task.advance()

    hit = "features: the parts were joined before"
    path = cache.get_or_make(_entry(session, dataset), make, hit=hit)
    for part in joined:
        cache.remove(part)
    return _mapped(path)


def _parts(cache: Cache, session: Extractor, dataset: FaceDataset) -> list[Path]:
    """Return the whole parts of one division of a data set, in order."""
    found = cache.glob(_entry(session, dataset, "faces-*-of-*"))
    by_shard = {shard: path for path in found if (shard := Shard.from_label(path.name))}
    # Of several divisions, the one that lacks least.
    divisions = {shard.of for shard in by_shard}
    missing = {
        of: [n for n in range(1, of + 1) if Shard(n, of) not in by_shard] for of in divisions
    }
    if not missing:
        raise DataError(
            f"the cache has no part of the features of {dataset.source}",
            hint="compute them by `fer-fast extract --shard 1/N` to N/N, with the same options on "
            "the same kind of device",
        )
    of = min(missing, key=lambda of: (len(missing[of]), of))
    if missing[of]:
        raise DataError(
            f"of {of} parts the cache lacks {', '.join(map(str, missing[of][:10]))}"
            f"{' and more' if len(missing[of]) > 10 else ''}",
            hint=f"compute the first by `fer-fast extract --shard {missing[of][0]}/{of}`",
        )
    paths = [by_shard[Shard(n, of)] for n in range(1, of + 1)]
    for number, path in enumerate(paths, start=1):
        rows = Shard(number, of).rows(len(dataset))
        shape = (rows.stop - rows.start, session.n_features)
        if not cache.is_as_sealed(path) or _mapped(path).shape != shape:
            raise DataError(
                f"part {number} of {of} is damaged ({path})",
                hint=f"remove it, and compute it by `fer-fast extract --shard {number}/{of}`",
            )
    return paths
