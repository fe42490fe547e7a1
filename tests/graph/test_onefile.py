"""The one file of backbone, columns, classifier and calibration, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model
from fer_fast.classifier.calibration import Calibration, Temperature, fit_isotonic
from fer_fast.errors import ParameterError
from fer_fast.graph.onefile import CLASSIFIER_NODES, softmax_classifier, write_onefile
from fer_fast.runtime.session import open_session

RNG = np.random.default_rng(1)
COLUMNS = RNG.permutation(48 * 48)[:300]
WEIGHTS = RNG.normal(0, 0.4, (300, 5)).astype(np.float32)
BIAS = RNG.normal(size=5).astype(np.float32)


def softmax(X: NDArray[Any]) -> NDArray[Any]:
    powers = np.exp(X - X.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def run(path: Path, faces: NDArray[np.uint8]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "label"], {"pixels": faces})


def raw(faces: NDArray[np.uint8]) -> NDArray[Any]:
    X = faces.reshape(len(faces), -1)[:, COLUMNS] / 255.0
    return softmax(X @ WEIGHTS + BIAS)


def isotonic() -> Calibration:
    said = softmax(RNG.normal(0, 3, (400, 5)))
    return fit_isotonic(
        said,
        np.array([RNG.choice(5, p=row) for row in said**0.3 / (said**0.3).sum(1, keepdims=True)]),
    )


@pytest.mark.parametrize("calibration", [None, Temperature(1.7, 0.01), isotonic()], ids=type)
def test_the_file_computes_what_its_parts_do(
    plain_backbone: Path, faces: NDArray[np.uint8], tmp_path: Path, calibration: Calibration | None
) -> None:
    path = tmp_path / "model.onnx"
    classifier = softmax_classifier(WEIGHTS, BIAS)
    write_onefile(plain_backbone, COLUMNS, classifier, {}, path, calibration=calibration)
    probabilities, labels = run(path, faces)
    expected = raw(faces)
    if calibration is not None:
        expected = calibration.apply(expected)
    np.testing.assert_allclose(probabilities, expected, atol=2e-5)
    assert len(np.unique(labels)) > 1
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=1))


def test_the_real_backbone_is_carried_unchanged(
    random_weights: Any,
    shared_cache: Path,
    faces: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("FER_FAST_CACHE", str(shared_cache))
    backbone = cached_model(random_weights, BackboneConfig())
    session = open_session(backbone, "cpu")
    columns = np.arange(0, session.n_features, 7)
    features = session.features(faces)[:, columns]
    weights = RNG.normal(size=(len(columns), 7)) / features.std() / np.sqrt(len(columns))
    path = tmp_path / "model.onnx"
    write_onefile(backbone, columns, softmax_classifier(weights, np.zeros(7)), {}, path)
    probabilities, labels = run(path, faces)
    expected = softmax(features @ weights)
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
    assert expected.std() > 0.05
    sure = np.diff(np.sort(expected)[:, -2:])[:, 0] > 1e-3
    np.testing.assert_array_equal(labels[sure], expected.argmax(axis=1)[sure])


def test_a_forest_of_another_operator_set_is_carried(
    plain_backbone: Path, faces: NDArray[np.uint8], one_cut_forest: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    write_onefile(plain_backbone, COLUMNS, one_cut_forest(2, 0.4, 300), {}, path)
    probabilities, labels = run(path, faces)
    above = faces.reshape(len(faces), -1)[:, COLUMNS[2]] / np.float32(255) > 0.4
    np.testing.assert_array_equal(labels, above)
    np.testing.assert_array_equal(probabilities, np.eye(2, dtype=np.float32)[above.astype(int)])


def test_of_equal_probabilities_the_first_is_the_label(
    plain_backbone: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    write_onefile(
        plain_backbone, None, softmax_classifier(np.zeros((48 * 48, 4)), np.zeros(4)), {}, path
    )
    assert (run(path, faces)[1] == 0).all()


def test_all_that_follows_the_backbone_is_named_as_the_classifiers(
    plain_backbone: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    classifier = softmax_classifier(WEIGHTS, BIAS)
    write_onefile(
        plain_backbone, COLUMNS, classifier, {"key": "value"}, path, calibration=Temperature(2, 0.1)
    )
    model = onnx.load(path)
    names = [node.name for node in model.graph.node]
    start = next(at for at, name in enumerate(names) if name.startswith(CLASSIFIER_NODES))
    assert "features" in {name for node in model.graph.node[:start] for name in node.output}
    assert all(name.startswith(CLASSIFIER_NODES) for name in names[start:])
    assert len(set(names[start:])) == len(names) - start
    assert {entry.key: entry.value for entry in model.metadata_props} == {"key": "value"}


@pytest.mark.parametrize("columns", [COLUMNS[:-1], np.append(COLUMNS[1:], 48 * 48), None])
def test_parts_that_do_not_fit_are_refused(
    plain_backbone: Path, tmp_path: Path, columns: NDArray[Any] | None
) -> None:
    with pytest.raises(ParameterError, match="from one run"):
        write_onefile(
            plain_backbone, columns, softmax_classifier(WEIGHTS, BIAS), {}, tmp_path / "model.onnx"
        )
    assert not (tmp_path / "model.onnx").exists()
