"""The audit and the dense head through the real command, on a handful of faces."""

import json
import re

import numpy as np
import onnxruntime
import pytest

from fer_fast.cli.main import main
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.readers.npz import save_npz


@pytest.fixture
def few_faces(tmp_path):
    """Return a file of 150 faces, one of them in two splits."""
    rng = np.random.default_rng(2)
    labels = (np.arange(150) % 7).astype(np.uint8)
    pixels = rng.integers(0, 90, (150, 48, 48)).astype(np.uint8)
    pixels[:, :24] += (labels * 20)[:, None, None]
    pixels[140] = pixels[7]
    splits = np.repeat(list(Split), [90, 30, 30]).astype(np.uint8)
    path = tmp_path / "few.npz"
    save_npz(FaceDataset(pixels, labels, splits, "few"), path)
    return path


@pytest.fixture
def backbone(random_weights, few_faces):
    return (
        *("--data", few_faces, "--weights", random_weights.path, "--device", "cpu"),
        *("--size", 64, "--taps", "block_13_expand_relu", "--pooling", "2x2"),
    )


@pytest.fixture
def environment(shared_cache):
    return {"FER_FAST_CACHE": str(shared_cache)}


def test_the_audit_counts_and_compares(run_cli, backbone, environment, tmp_path):
    out = tmp_path / "audit.json"
    result = run_cli("audit", *backbone, "--out", out, **environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(out.read_text())
    assert found["integrity"]["redundant"] == 1
    assert found["integrity"]["shared"] == {"Training": 1, "PublicTest": 0, "PrivateTest": 1}
    verdicts = [protocol["verdict"].split(":")[0] for protocol in found["protocols"]]
    assert verdicts == ["Honest", "Honest", "Wrong", "Wrong"]
    for protocol in found["protocols"]:
        assert f"{protocol['scores']['accuracy']:.3f}" in result.stdout


def test_the_exported_file_is_the_one_that_the_features_came_from(
    run_cli, backbone, environment, shared_cache, tmp_path
):
    head = ("--head", "dense", "--head-epochs", 2)
    # What a killed training would have left behind.
    left = shared_cache / "unfinished" / "tmp"
    left.mkdir(parents=True)
    (left / "view-0.npy").write_bytes(bytes(3_100_000))
    extracted = run_cli("extract", *backbone, *head, "--out", "features-0.5", **environment)
    assert extracted.returncode == 0, extracted.stderr
    assert "removed 3.1 MB" in extracted.stderr
    assert list(left.parent.iterdir()) == []
    assert "150 faces × 128 features" in extracted.stdout
    exported = run_cli("export", *backbone, *head, "--out", "faces.onnx", **environment)
    assert exported.returncode == 0, exported.stderr
    assert "trained before" in exported.stderr
    with np.load(tmp_path / "features-0.5") as arrays, np.load(tmp_path / "few.npz") as faces:
        pixels = next(array for array in faces.values() if array.ndim == 3)
        runtime = onnxruntime.InferenceSession(tmp_path / "faces.onnx")
        (features,) = runtime.run(["features"], {"pixels": pixels})
        np.testing.assert_allclose(arrays["X"], features, rtol=1e-3, atol=1e-4)
        assert arrays["class_names"].tolist() == faces["class_names"].tolist()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--taps", "block_99_expand_relu"), "no tap 'block_99_expand_relu'"),
        (("--taps", "out_relu", "out_relu"), "name each layer once"),
        (("--size", 32, "--pooling", "2x2"), "one cell at 32 pixels"),
        (("--config", "absent.toml"), "absent.toml"),
        (("--device", "cuda"), "NVIDIA|CUDA"),
        (("--precision", "tf32"), "NVIDIA|CUDA"),
        (("--device", "cpu", "--precision", "fp16"), "a CPU computes in fp32 only"),
        (("--out", "."), "a folder: name a file"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "audit", "export"])
def test_options_that_no_run_could_use_are_refused_before_anything_is_read(
    monkeypatch, capsys, command, option, message
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    read = ("--data", "absent.csv", "--weights", "absent.h5", "--head", "dense")
    try:
        status = main([command, *read, *map(str, option)])
    except SystemExit as refusal:
        status = refusal.code
    assert status == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert re.search(message, error)


@pytest.mark.parametrize(
    "option", [("--device", "cpu"), ("--precision", "fp32"), ("--data", "absent.csv")]
)
def test_an_export_without_a_head_refuses_what_only_a_head_needs(capsys, option):
    assert main(["export", "--weights", "absent.h5", *option]) == 2
    assert f"error: {option[0]} changes nothing" in capsys.readouterr().err
