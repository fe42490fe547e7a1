from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image

from fer_fast.backbone.architecture import TAPS
from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model, export_model
from fer_fast.backbone.weights import Weights
from fer_fast.errors import FerFastError, OutputError, ParameterError


def _run(model: Path, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    (features,) = onnxruntime.InferenceSession(model).run(["features"], {"pixels": faces})
    return features


def _as_network_input(faces: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Scale, resize and repeat the channel as Pillow and NumPy do it."""
    scaled = faces.astype(np.float32) / np.float32(127.5) - np.float32(1)
    resized = [
        Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR) for face in scaled
    ]
    return np.repeat(np.stack([np.asarray(face) for face in resized])[..., None], 3, axis=-1)


def test_features_are_those_of_keras(imagenet: Weights, faces: NDArray[np.uint8]) -> None:
    import keras

    network = keras.applications.MobileNetV2(
        include_top=False, weights=str(imagenet.path), input_shape=(48, 48, 3)
    )
    expected = network.predict(_as_network_input(faces, 48), verbose=0).reshape(len(faces), -1)
    features = _run(cached_model(imagenet, BackboneConfig()), faces)
    assert features.shape == (len(faces), 5120)
    assert np.abs(features - expected).max() <= 1e-3
    # The tolerance means something: real features reach far beyond it.
    assert expected.max() > 1


def test_features_of_calibrated_random_weights_are_those_of_keras(
    random_network: Any, random_model: Path, faces: NDArray[np.uint8]
) -> None:
    expected = random_network.predict(_as_network_input(faces, 48), verbose=0)
    expected = expected.reshape(len(faces), -1)
    error = np.abs(_run(random_model, faces) - expected)
    assert error.max() <= 1e-4 * np.abs(expected).max()


def test_the_graph_resizes_as_pillow_does(
    random_weights: Weights, resizing_model: Path, faces: NDArray[np.uint8]
) -> None:
    import keras

    network = keras.applications.MobileNetV2(
        include_top=False, weights=str(random_weights.path), input_shape=(80, 80, 3)
    )
    expected = network.predict(_as_network_input(faces, 80), verbose=0).reshape(len(faces), -1)
    features = _run(resizing_model, faces)
    assert features.shape == (len(faces), 3 * 3 * 1280)
    assert np.abs(features - expected).max() <= 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("size", "pooling"), [(96, "none"), (72, "none"), (96, "2x2"), (72, "global")]
)
def test_taps_share_the_coarsest_grid_and_are_pooled(
    random_weights: Weights, faces: NDArray[np.uint8], tmp_path: Path, size: int, pooling: Any
) -> None:
    import keras

    taps = ("block_2_project_BN", "block_13_expand_relu")
    model = tmp_path / "taps.onnx"
    export_model(random_weights, BackboneConfig(size=size, taps=taps, pooling=pooling), model)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=str(random_weights.path), input_shape=(size, size, 3)
    )
    layers = [network.get_layer(tap).output for tap in taps]
    fine, coarse = keras.Model(network.input, layers).predict(
        _as_network_input(faces, size), verbose=0
    )
    n, side = coarse.shape[:2]
    # Where the finer grid does not divide, its border cells are averaged over fewer.
    beyond = 4 * side - fine.shape[1]
    padded = np.pad(
        fine,
        ((0, 0), *[(beyond // 2, beyond - beyond // 2)] * 2, (0, 0)),
        constant_values=np.nan,
    )
    averaged = np.nanmean(padded.reshape(n, side, 4, side, 4, -1), axis=(2, 4))
    grid = np.concatenate([averaged, coarse], axis=-1)
    if pooling == "2x2":
        grid = grid.reshape(n, side // 2, 2, side // 2, 2, -1).mean(axis=(2, 4))
    elif pooling == "global":
        grid = grid.mean(axis=(1, 2))
    expected = grid.reshape(n, -1)
    features = _run(model, faces)
    assert features.shape == expected.shape
    assert np.abs(features - expected).max() <= 1e-3 * np.abs(expected).max()


def test_every_tap_is_a_layer_of_keras_with_the_stated_grid() -> None:
    import keras

    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(224, 224, 3)
    )
    for tap, (stride, channels) in TAPS.items():
        side = 224 // stride
        assert network.get_layer(tap).output.shape[1:] == (side, side, channels)


def test_the_model_is_self_contained_and_has_static_width(random_model: Path) -> None:
    model = onnx.load(random_model)
    onnx.checker.check_model(model, full_check=True)
    (pixels,), (features,) = model.graph.input, model.graph.output
    shapes = [
        [dim.dim_value or dim.dim_param for dim in value.type.tensor_type.shape.dim]
        for value in (pixels, features)
    ]
    assert shapes == [["n", 48, 48], ["n", 5120]]
    assert pixels.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert ("", 18) in {(opset.domain, opset.version) for opset in model.opset_import}
    # Shapes computed at run time would stay on the CPU of a CUDA session.
    assert not {"Shape", "Gather"} & {node.op_type for node in model.graph.node}


def test_an_export_elsewhere_computes_the_same_and_leaves_nothing_else(
    random_weights: Weights, random_model: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    out = tmp_path / "again.onnx"
    script = (
        "import sys; from pathlib import Path\n"
        "from fer_fast.backbone.config import BackboneConfig\n"
        "from fer_fast.backbone.export import export_model\n"
        "from fer_fast.backbone.weights import resolve_weights\n"
        f"weights = resolve_weights(Path({str(random_weights.path)!r}))\n"
        f"export_model(weights, BackboneConfig(), Path({str(out)!r}))\n"
        "assert 'tensorflow' not in sys.modules"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
    np.testing.assert_allclose(_run(out, faces), _run(random_model, faces), rtol=1e-4, atol=1e-5)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.usefixtures("cache")
def test_the_cache_is_used_mends_itself_and_tells_weights_apart(
    random_weights: Weights,
    faces: NDArray[np.uint8],
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = BackboneConfig(size=32)
    first = cached_model(random_weights, config, reporter=recorder)
    content, features = first.read_bytes(), _run(first, faces)
    assert cached_model(random_weights, config, reporter=recorder) == first
    assert [("exporting" in note, "cache" in note) for note in recorder.notes] == [
        (True, False),
        (False, True),
    ]
    first.write_bytes(content[:-1])
    mended = cached_model(random_weights, config, reporter=recorder)
    np.testing.assert_allclose(_run(mended, faces), features, rtol=1e-4, atol=1e-5)
    assert ["damaged" in warning for warning in recorder.warnings] == [True]
    # Without an exporter a model is either found or missed.
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert cached_model(random_weights, config) == first
    with pytest.raises(FerFastError, match="needs tf2onnx"):
        cached_model(Weights(random_weights.path, "", digest="0" * 64), config)
    with pytest.raises(FerFastError, match="needs tf2onnx"):
        cached_model(random_weights, BackboneConfig(size=40))


@pytest.mark.parametrize(
    ("tensorflow", "message"),
    [
        ("raise ImportError('no libtoast.so')", r"failed \(ImportError: no libtoast\.so\): "),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL, mostly for lack of memory"),
    ],
)
def test_a_broken_tensorflow_is_one_sentence(
    random_weights: Weights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tensorflow: str,
    message: str,
) -> None:
    (tmp_path / "tensorflow.py").write_text(tensorflow)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(FerFastError) as failed:
        export_model(random_weights, BackboneConfig(), tmp_path / "model.onnx")
    assert re.fullmatch(f"exporting the backbone {message}.*", str(failed.value))
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.usefixtures("cache")
def test_what_a_broken_tensorflow_said_is_shown_on_demand(
    random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('no libtoast.so')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    command = [sys.executable, "-m", "fer_fast", "export", "--weights", str(random_weights.path)]
    command += ["--out", str(tmp_path / "model.onnx"), *["--debug"] * debug]
    child = subprocess.run(command, capture_output=True, text=True)
    assert (child.returncode, "Traceback" in child.stderr) == (2, debug)


def test_an_unwritable_place_is_an_output_error(random_weights: Weights, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder"):
        export_model(random_weights, BackboneConfig(32), tmp_path / "file" / "m.onnx")


@pytest.mark.parametrize("size", [0, 31, 513, -48])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(ParameterError, match=f"size is {size}"):
        BackboneConfig(size=size)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"taps": ("block_99_expand_relu",)}, "no tap 'block_99_expand_relu'"),
        ({"taps": ("out_relu", "out_relu")}, "name each layer once"),
        ({"taps": ()}, "name each layer once"),
        ({"size": 32, "pooling": "2x2"}, "one cell at 32 pixels"),
        ({"pooling": "3x3"}, "pooling is '3x3'"),
    ],
)
def test_layers_and_pooling_that_no_graph_could_have_are_refused(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        BackboneConfig(**config)
