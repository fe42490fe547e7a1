"""Keras' MobileNetV2 as an ONNX file: ``python -m fer_fast.backbone.keras_to_onnx REQUEST OUT``.

A program of its own, because importing TensorFlow costs seconds, a gigabyte and log lines that no
setting silences: here all three end with the export. `export.export_model` is its only caller.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from fer_fast.backbone.architecture import LAYERS, TAPS
from fer_fast.backbone.config import OPSET, BackboneConfig
from fer_fast.backbone.hdf5 import read_tensors
from fer_fast.faces.dataset import FACE_SIDE
from fer_fast.graph.edit import model_bytes, name_first_dimension, order_constants, rename_values


def main(request: Path, out: Path) -> None:
    """Export as `request` says: JSON with the path ``weights`` and the fields of ``config``."""
    order = json.loads(request.read_text())
    # JSON has lists where the configuration, to be hashable, has tuples.
    config = BackboneConfig(**order["config"] | {"taps": tuple(order["config"]["taps"])})
    model = _to_onnx(keras_backbone(Path(order["weights"]), config), config)
    out.write_bytes(model_bytes(model))


def keras_backbone(weights: Path, config: BackboneConfig) -> Any:
    """Build the Keras model of the features' grid, from (n, size, size, 3) in [-1, 1]."""
    import keras

    shape = (config.size, config.size, 3)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=shape)
    remaining = iter(read_tensors(weights))
    for layer, tensors in LAYERS:
        network.get_layer(layer).set_weights([next(remaining) for _ in tensors])
    grids = []
    for tap in config.taps:
        grid, finer = network.get_layer(tap).output, config.stride // TAPS[tap].stride
        if finer > 1:
            grid = keras.layers.AveragePooling2D(finer, padding="same")(grid)
        grids.append(grid)
    features = keras.layers.Concatenate()(grids) if len(grids) > 1 else grids[0]
    if config.pooling == "2x2":
        features = keras.layers.AveragePooling2D(2)(features)
    elif config.pooling == "global":
        features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(network.input, features)


def _to_onnx(network: Any, config: BackboneConfig) -> Any:
    import tensorflow as tf
    import tf2onnx

    side = (config.size, config.size)
    width = math.prod(network.output.shape[1:])

    def from_pixels(pixels: Any) -> Any:
        levels = tf.cast(pixels, tf.float32)
        if config.equalise:
            levels = equalised(levels)
        images = tf.expand_dims(levels, -1) / 127.5 - 1.0
        if config.size != FACE_SIDE:
            images = tf.image.resize(images, side, method="bilinear")
        grid = network(tf.concat([images] * 3, axis=-1), training=False)
        # Keras' Flatten would compute the shape at run time, which CUDA leaves to the CPU.
        return tf.reshape(grid, (-1, width))

    pixels = tf.TensorSpec((None, FACE_SIDE, FACE_SIDE), tf.uint8, name="pixels")
    model, _ = tf2onnx.convert.from_function(
        tf.function(from_pixels), input_signature=[pixels], opset=OPSET
    )
    _name_in_order(model.graph)
    return model


def equalised(levels: Any) -> Any:
    """Spread each face's gray levels over 0 to 255, as ``PIL.ImageOps.equalize`` does.

    Level v becomes ``(below(v) + step // 2) // step``, at most 255, where ``below(v)`` counts the
    pixels darker than v, and ``step`` is a 255th of those darker than the brightest. Where that
    rounds to 0, as in a blank face, the face stays as it is.

    Parameters
    ----------
    levels : tensor of shape (n, 48, 48), float32
        Whole numbers from 0 to 255.

    Returns
    -------
    tensor of shape (n, 48, 48), float32
        Whole numbers from 0 to 255.
    """
    import tensorflow as tf

    flat = tf.reshape(levels, (-1, FACE_SIDE**2))
    # The pixels of a level, counted by a product of one-hot matrices of its two digits in base 16:
    # the plain histogram would need 256 values per pixel, or sums that race on a GPU.
    digits = tf.range(16, dtype=tf.float32)
    high = tf.floor(flat / 16)
    has_high = tf.cast(high[:, None, :] == digits[:, None], tf.float32)
    has_low = tf.cast((flat - 16 * high)[:, :, None] == digits, tf.float32)
    histogram = tf.reshape(has_high @ has_low, (-1, 256))
    below = tf.cumsum(histogram, axis=1, exclusive=True)
    darker = flat < tf.reduce_max(flat, axis=1, keepdims=True)
    step = tf.floor(tf.reduce_sum(tf.cast(darker, tf.float32), axis=1, keepdims=True) / 255)
    spread = tf.floor((below + tf.floor(step / 2)) / tf.maximum(step, 1.0))
    unchanged = tf.range(256, dtype=tf.float32)
    table = tf.where(step > 0, tf.minimum(spread, 255.0), unchanged)
    looked_up = tf.gather(table, tf.cast(flat, tf.int64), batch_dims=1)
    return tf.reshape(looked_up, (-1, FACE_SIDE, FACE_SIDE))


def _name_in_order(graph: Any) -> None:
    """Name the constants by their first use, the batch ``n`` and the output ``features``.

    tf2onnx draws some names from sets, so that they would differ from run to run. Its optimisers
    leave a reshape more now and then: that changes the file's bytes, and nothing that it computes.
    """
    known = {constant.name for constant in graph.initializer}
    (output,) = graph.output
    names = {output.name: "features"}
    for node in graph.node:
        for name in node.input:
            if name in known and name not in names:
                names[name] = f"constant_{len(names)}"
    rename_values(graph.node, names)
    order_constants(graph, names)
    output.name = "features"
    for value in (*graph.input, output):
        name_first_dimension(value, "n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
