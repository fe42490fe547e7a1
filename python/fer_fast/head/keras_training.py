"""Training a head: ``python -m fer_fast.head.keras_training FOLDER``.

A program of its own for the same reason as `fer_fast.backbone.keras_to_onnx`: TensorFlow's seconds,
gigabytes and log lines end with it. `training.fit_head` is its only caller. It reads
``config.json`` (a `HeadConfig`), ``targets.npy`` and ``validation_targets.npy`` (float32, the share
of each class in a face's label) and float16 matrices: ``view-0.npy``, ``view-1.npy`` and so on,
each with a row per face to train on, and ``validation.npy`` with a row per face of PublicTest. It
prints a line of JSON per epoch, and writes ``head-0.npz``, ``head-1.npz`` and so on, one a member.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from fer_fast.head.config import HeadConfig

FloatArray = NDArray[np.float32]


def main(folder: Path) -> None:
    """Train as the folder's files say."""
    order = json.loads((folder / "config.json").read_text())
    lists = {name: tuple(value) for name, value in order.items() if isinstance(value, list)}
    config = HeadConfig(**order | lists)
    views = [_matrix(path) for path in sorted(folder.glob("view-*.npy"))]
    training = views, _matrix(folder / "targets.npy")
    validation = _matrix(folder / "validation.npy"), _matrix(folder / "validation_targets.npy")
    mean, deviation = _moments(views[0], config.channels)
    for member in range(config.members):
        # No two configurations with as many members share one.
        own = replace(config, seed=config.seed * config.members + member)
        model = _fit(own, training, validation, mean, deviation, member)
        arrays: dict[str, Any] = {
            f"{name}_{position}": array
            for position, layer in enumerate(_folded(model, mean, deviation))
            for name, array in zip(("weights", "bias"), layer, strict=True)
        }
        np.savez(folder / f"head-{member}.npz", **arrays)
        keras.backend.clear_session()


def _matrix(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def _moments(
    X: NDArray[np.float16], channels: int, block: int = 2048
) -> tuple[FloatArray, FloatArray]:
    """Return each channel's mean and standard deviation, never holding all rows as float32."""
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(X), block):
        cells = X[start : start + block].astype(np.float32).reshape(-1, channels)
        total += cells.sum(axis=0)
        squares += np.square(cells).sum(axis=0)
    n_cells = X.size // channels
    mean = total / n_cells
    variance = np.maximum(squares / n_cells - mean**2, 0)
    # A channel that hardly varies on Training must not be blown up elsewhere.
    return mean.astype(np.float32), np.sqrt(variance + 1e-3).astype(np.float32)


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Each face once per epoch, in a view chosen by chance."""

    _order: NDArray[np.int64]
    _view: NDArray[np.int64]

    def __init__(
        self,
        views: list[NDArray[np.float16]],
        targets: FloatArray,
        standardise: Callable[[NDArray[np.float16]], FloatArray],
        config: HeadConfig,
    ) -> None:
        super().__init__()
        self._views, self._targets, self._standardise = views, targets, standardise
        self._n_batches = max(1, len(targets) // config.batch_size)
        self._rng = np.random.default_rng(config.seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        self._order = self._rng.permutation(len(self._targets))
        self._view = self._rng.integers(len(self._views), size=self._targets.shape[:1])

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, batch: int) -> tuple[FloatArray, FloatArray]:
        # Ascending rows are read faster from a file, and a batch has no order.
        rows = np.sort(self._order[batch :: self._n_batches])
        X = np.stack([self._views[self._view[row]][row] for row in rows])
        return self._standardise(X), self._targets[rows]


class _Lines(keras.callbacks.Callback):  # type: ignore[misc]
    """Prints a line of JSON per epoch."""

    def __init__(self, member: int) -> None:
        super().__init__()
        self._member = member

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        accuracy = float(logs["val_accuracy"])
        line = {"member": self._member, "epoch": epoch + 1, "accuracy": accuracy}
        print(json.dumps(line), flush=True)


def _fit(
    config: HeadConfig,
    training: tuple[list[NDArray[np.float16]], FloatArray],
    validation: tuple[NDArray[np.float16], FloatArray],
    mean: FloatArray,
    deviation: FloatArray,
    member: int = 0,
) -> Any:
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()

    def standardise(rows: NDArray[np.float16]) -> FloatArray:
        cells = rows.astype(np.float32).reshape(len(rows), -1, len(mean))
        result: FloatArray = (cells - mean) / deviation
        return result

    (views, targets), (X_validation, validation_targets) = training, validation
    batches = _Batches(views, targets, standardise, config)
    model = _network(config, views[0].shape[1] // len(mean), len(mean), targets.shape[1])
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * len(batches)
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay),
        keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=["accuracy"],
    )
    model.fit(
        batches,
        validation_data=(standardise(X_validation), validation_targets),
        validation_batch_size=512,
        epochs=config.epochs,
        verbose=0,
        callbacks=[_Lines(member)],
    )
    return model


def _network(config: HeadConfig, n_cells: int, channels: int, n_classes: int) -> Any:
    """Return the untrained network from standardised cells to the classes' probabilities."""
    model = keras.Sequential([keras.Input((n_cells, channels))])
    for position, (units, dropout) in enumerate(zip(config.units, config.dropout, strict=True)):
        model.add(keras.layers.Dense(units, use_bias=False))
        model.add(keras.layers.BatchNormalization(momentum=0.9))
        model.add(keras.layers.ReLU())
        model.add(keras.layers.Dropout(dropout))
        if position == 0:
            model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(n_classes, activation="softmax"))
    return model


def _folded(
    model: Any, mean: FloatArray, deviation: FloatArray
) -> list[tuple[FloatArray, FloatArray]]:
    """Return weights and biases with the standardisation and batch normalisations in them.

    The last are those of the layer that says the classes.
    """
    folded: list[tuple[FloatArray, FloatArray]] = []
    for dense, norm in zip(model.layers, model.layers[1:], strict=False):
        if not isinstance(norm, keras.layers.BatchNormalization):
            continue
        (weights,) = dense.get_weights()
        bias = np.zeros(weights.shape[1], dtype=np.float32)
        if not folded:
            weights = weights / deviation[:, None]
            bias = -mean @ weights
        gamma, beta, moving_mean, moving_variance = norm.get_weights()
        gain = gamma / np.sqrt(moving_variance + norm.epsilon)
        folded.append((weights * gain, (bias - moving_mean) * gain + beta))
    weights, bias = model.layers[-1].get_weights()
    return [*folded, (weights, bias)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
