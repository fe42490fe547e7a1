"""Training a head on a data set, once per choice of backbone, faces and configuration."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.environment import available_cpus
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import deciding_rows
from fer_fast.graph.head import DenseHead, append_head
from fer_fast.head.config import HeadConfig
from fer_fast.head.views import training_views
from fer_fast.keras_process import installed_maker, require_keras, run_keras
from fer_fast.progress import SILENT, Reporter
from fer_fast.runtime.session import Session
from fer_fast.storage.cache import Cache, Entry, scratch_dir

_REVISION = 2
"""Counts changes of the training that change the head."""


def cached_head_model(
    backbone: Path,
    session: Session,
    dataset: FaceDataset,
    config: HeadConfig,
    *,
    batch_size: int | None = None,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> Path:
    """Return the path, in the cache, of the backbone with a head trained on the data set.

    The cache's key is the backbone's digest, the data set's, the configuration, the kind of device,
    the precision and the trainer's version: the last three round differently. Where no trainer is
    installed, a head of any device, precision and version is taken.

    Parameters
    ----------
    backbone : Path
        The ONNX file of the backbone.
    session : Session
        The same, opened.
    dataset : FaceDataset
    config : HeadConfig
    batch_size : int or None
        Faces in one call of the backbone; None: a good one for the device.
    jobs : int or None
        Threads that work at once; None: as many as there are CPUs.
    reporter : Reporter

    Raises
    ------
    FerFastError
        If the cache holds no such head and TensorFlow is not installed.
    OutputError
        If a file cannot be written.
    """

    @functools.cache
    def model() -> bytes:
        head = train_head(
            session, dataset, config, batch_size=batch_size, jobs=jobs, reporter=reporter
        )
        return append_head(backbone, head)

    trainer = installed_maker("keras")
    entry = Entry(
        "models",
        "mobilenet-v2-head",
        {
            "backbone": session.model_digest,
            "dataset": dataset.digest,
            "config": asdict(config),
            "revision": _REVISION,
        },
        ".onnx",
        f"{session.kind}-{session.precision}-{trainer}" if trainer else None,
    )
    return Cache(reporter).get_or_make(
        entry, lambda file: file.write(model()), hit="head: trained before"
    )


def train_head(
    session: Session,
    dataset: FaceDataset,
    config: HeadConfig,
    *,
    batch_size: int | None = None,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> DenseHead:
    """Train the dense layers on Training.

    Each epoch sees each face once: as it is, mirrored, or as one of its moved copies, by chance.

    The backbone stays as it is. Training ends when the accuracy on PublicTest, but for the faces
    that stand in Training too, has stopped rising, and the weights of its best epoch are kept. The
    same seed gives the same head on one machine.

    Parameters
    ----------
    session : Session
        The backbone.
    dataset : FaceDataset
    config : HeadConfig
    batch_size : int or None
        Faces in one call of the backbone; None: a good one for the device.
    jobs : int or None
        Threads that work at once; None: as many as there are CPUs.
    reporter : Reporter

    Raises
    ------
    FerFastError
        If TensorFlow is not installed, is broken, or runs out of memory.
    """
    require_keras()
    training, validation = dataset.rows(Split.TRAINING), deciding_rows(dataset)
    views = training_views(dataset.pixels[training], config.moved_copies, config.seed)
    inputs = {f"view-{i}": view for i, view in enumerate(views)}
    inputs["validation"] = dataset.pixels[validation]
    n_faces = sum(map(len, inputs.values()))
    with scratch_dir() as folder:
        with reporter.task(f"features to train on, {session.device}", n_faces, "images") as task:
            for part, pixels in inputs.items():
                X = session.features(pixels, batch_size=batch_size, advance=task.advance)
                # Half precision halves what is written, and is far finer than the dropout's noise.
                np.save(folder / f"{part}.npy", X.astype(np.float16))
        np.save(folder / "labels.npy", dataset.labels[training])
        np.save(folder / "validation_labels.npy", dataset.labels[validation])
        order = asdict(config) | {"n_classes": len(dataset.label_set)}
        (folder / "config.json").write_text(json.dumps(order))
        return fit_head(folder, config, jobs=jobs, reporter=reporter)


def fit_head(
    folder: Path,
    config: HeadConfig,
    *,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> DenseHead:
    """Run `keras_training` on the files of a folder and read what it wrote."""
    best = 0.0
    with reporter.task("training the dense head", config.epochs, "epochs") as task:

        def hear(line: str) -> None:
            nonlocal best
            best = max(best, json.loads(line)["accuracy"])
            task.advance(status=f"best accuracy on PublicTest {best:.4f}")

        run_keras(
            "training the head",
            "fer_fast.head.keras_training",
            [str(folder)],
            folder=folder,
            jobs=jobs or available_cpus(),
            hear=hear,
        )
    reporter.note(f"head: its own accuracy on PublicTest is {best:.4f}")
    return _read_head(folder / "head.npz", len(config.units))


def _read_head(path: Path, n_layers: int) -> DenseHead:
    with np.load(path) as arrays:
        layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = [
            (arrays[f"weights_{i}"], arrays[f"bias_{i}"]) for i in range(n_layers)
        ]
    return DenseHead(tuple(layers))
