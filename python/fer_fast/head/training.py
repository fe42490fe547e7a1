"""Training a head: once per choice of backbone, faces and configuration."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fer_fast.environment import available_cpus
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.duplicates import deciding_rows
from fer_fast.graph.head import DenseHead, FloatArray, Layer, append_heads
from fer_fast.head.config import HeadConfig
from fer_fast.head.views import ALIGNED, Movement, training_views
from fer_fast.keras_process import installed_maker, require_keras, run_keras
from fer_fast.progress import SILENT, Reporter
from fer_fast.runtime.remote import Extractor
from fer_fast.storage.cache import Cache, Entry, scratch_dir

_REVISION = 3
"""Counts changes of the training that change the head."""


@dataclass(frozen=True)
class LabelledFaces:
    """Faces, and what a head is to say of them.

    Attributes
    ----------
    pixels : ndarray of shape (n, 48, 48), uint8
    targets : ndarray of shape (n, n_classes), float32
        The share of each class in a face's label; a row sums to 1.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.float32]

    @classmethod
    def of(cls, dataset: FaceDataset, rows: NDArray[np.intp]) -> LabelledFaces:
        """Return the faces of these rows, each wholly of its class."""
        one_hot = np.eye(len(dataset.label_set), dtype=np.float32)
        return cls(dataset.pixels[rows], one_hot[dataset.labels[rows]])


@dataclass(frozen=True)
class TrainedHead:
    """A head of one or more members, and the layers behind them by which they learnt.

    Attributes
    ----------
    members : tuple of DenseHead
        Of ``config.members``.
    answers : tuple of (ndarray of shape (n_units, n_classes), ndarray of shape (n_classes,))
        Weights and bias behind each member, float32; the softmax of what they make of its
        activations is what it says of the classes.
    """

    members: tuple[DenseHead, ...]
    answers: tuple[Layer, ...]

    @property
    def answer(self) -> Layer:
        """Weights and bias behind the activations of all members, for the mean of their logits."""
        share = np.float32(1 / len(self.answers))
        weights, biases = zip(*self.answers, strict=True)
        return share * np.concatenate(weights), share * np.sum(biases, axis=0)

    def activations(self, X: FloatArray) -> FloatArray:
        """Compute those of all members, side by side, as `DenseHead.activations` does of one."""
        return np.concatenate([member.activations(X) for member in self.members], axis=1)


def cached_head_model(
    backbone: Path,
    session: Extractor,
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
    session : Extractor
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
            session,
            LabelledFaces.of(dataset, dataset.rows(Split.TRAINING)),
            LabelledFaces.of(dataset, deciding_rows(dataset)),
            config,
            batch_size=batch_size,
            jobs=jobs,
            reporter=reporter,
        )
        return append_heads(backbone, head.members)

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
    session: Extractor,
    training: LabelledFaces,
    validation: LabelledFaces,
    config: HeadConfig,
    *,
    batch_size: int | None = None,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> TrainedHead:
    """Train the dense layers.

    Each epoch sees each face once: as it is, mirrored, or as one of its moved copies, by chance.

    The backbone stays as it is. `validation` decides nothing: the last epoch's weights are kept,
    and its accuracy there is only said. The same seed gives the same head on one machine.

    Parameters
    ----------
    session : Extractor
        The backbone.
    training, validation : LabelledFaces
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
    with scratch_dir() as folder:
        write_views(
            folder, session, training, validation, config, batch_size=batch_size, reporter=reporter
        )
        return fit_head(folder, config, jobs=jobs, reporter=reporter)


def write_views(
    folder: Path,
    session: Extractor,
    training: LabelledFaces,
    validation: LabelledFaces,
    config: HeadConfig,
    *,
    movement: Movement = ALIGNED,
    batch_size: int | None = None,
    reporter: Reporter = SILENT,
) -> None:
    """Write the features and targets that `fit_head` takes; `movement` is the moved copies'."""
    np.save(folder / "targets.npy", training.targets)
    np.save(folder / "validation_targets.npy", validation.targets)
    views = training_views(training.pixels, config.moved_copies, config.seed, movement)
    n_faces = (2 + config.moved_copies) * len(training.pixels) + len(validation.pixels)
    with reporter.task(f"features to train on, {session.device}", n_faces, "images") as task:

        def write(part: str, pixels: NDArray[np.uint8]) -> None:
            X = session.features(pixels, batch_size=batch_size, advance=task.advance)
            # Half precision halves what is written, and is far finer than the dropout's noise.
            np.save(folder / f"{part}.npy", X.astype(np.float16))

        write("validation", validation.pixels)
        for position, view in enumerate(views):
            write(f"view-{position}", view)


def fit_head(
    folder: Path,
    config: HeadConfig,
    *,
    jobs: int | None = None,
    reporter: Reporter = SILENT,
) -> TrainedHead:
    """Run `keras_training` on what `write_views` left in a folder, and read what it wrote."""
    (folder / "config.json").write_text(json.dumps(asdict(config)))
    accuracies = [0.0] * config.members
    n_epochs = config.members * config.epochs
    with reporter.task("training the dense head", n_epochs, "epochs") as task:

        def hear(line: str) -> None:
            epoch = json.loads(line)
            accuracies[epoch["member"]] = epoch["accuracy"]
            task.advance(status=f"accuracy on PublicTest {epoch['accuracy']:.4f}")

        run_keras(
            "training the head",
            "fer_fast.head.keras_training",
            [str(folder)],
            folder=folder,
            jobs=jobs or available_cpus(),
            hear=hear,
        )
    said = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    reporter.note(f"head: its own accuracy on PublicTest is {said}")
    return _read_head(folder, config)


def _read_head(folder: Path, config: HeadConfig) -> TrainedHead:
    members, answers = [], []
    for member in range(config.members):
        with np.load(folder / f"head-{member}.npz") as arrays:
            *layers, answer = (
                (arrays[f"weights_{i}"], arrays[f"bias_{i}"]) for i in range(len(config.units) + 1)
            )
        members.append(DenseHead(tuple(layers)))
        answers.append(answer)
    return TrainedHead(tuple(members), tuple(answers))
