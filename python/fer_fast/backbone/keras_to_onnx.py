"""Keras' MobileNetV2 as an ONNX file: ``python -m fer_fast.backbone.keras_to_onnx REQUEST OUT``.

A program of its own, because importing TensorFlow costs seconds, a gigabyte and log lines that no
setting silences: here all three end with the export. `export.export_model` is its only caller.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from fer_fast.backbone.architecture import LAYERS
from fer_fast.backbone.config import OPSET, BackboneConfig
from fer_fast.backbone.weights import read_tensors
from fer_fast.datasets.faces import FACE_SIDE


def main(request: Path, out: Path) -> None:
    """Export as `request` says: JSON with the path ``weights`` and the fields of ``config``."""
    order = json.loads(request.read_text())
    keras_model = backbone(Path(order["weights"]), BackboneConfig(**order["config"]))
    _write_onnx(keras_model, BackboneConfig(**order["config"]), out)


def backbone(weights: Path, config: BackboneConfig) -> Any:
    """Build the Keras model from float32 (n, size, size, 3) in [-1, 1] to (n, n_features)."""
    import keras

    shape = (config.size, config.size, 3)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=shape)
    remaining = iter(read_tensors(weights))
    for layer, tensors in LAYERS:
        network.get_layer(layer).set_weights([next(remaining) for _ in tensors])
    features = keras.layers.Flatten()(network.output)
    return keras.Model(network.input, features)


def _write_onnx(model: Any, config: BackboneConfig, out: Path) -> None:
    import tensorflow as tf
    import tf2onnx

    side = (config.size, config.size)
    width = model.output_shape[-1]

    def from_pixels(pixels: Any) -> Any:
        images = tf.cast(pixels, tf.float32)[..., tf.newaxis] / 127.5 - 1.0
        if config.size != FACE_SIDE:
            images = tf.image.resize(images, side, method="bilinear")
        images = tf.repeat(images, 3, axis=-1)
        return tf.ensure_shape(model(images, training=False), (None, width))

    pixels = tf.TensorSpec((None, FACE_SIDE, FACE_SIDE), tf.uint8, name="pixels")
    proto, _ = tf2onnx.convert.from_function(
        tf.function(from_pixels), input_signature=[pixels], opset=OPSET
    )
    (feature,) = proto.graph.output
    for node in proto.graph.node:
        node.output[:] = ["features" if name == feature.name else name for name in node.output]
        node.input[:] = ["features" if name == feature.name else name for name in node.input]
    feature.name = "features"
    out.write_bytes(proto.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
