"""Fixtures shared by every folder of tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from fer_fast.backbone.architecture import LAYERS
from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.export import cached_model, export_model
from fer_fast.backbone.hdf5 import write_tensors
from fer_fast.backbone.weights import Weights, resolve_weights
from fer_fast.errors import WeightsError

# On a loaded machine any example may be slow.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

RunCli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def _interrupts_arrive() -> None:
    """Let Ctrl-C through to the commands that tests start.

    A shell starts background jobs with SIGINT ignored, and every process below inherits that; a
    handler is reset to the default instead.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """Return a local copy of FER-2013's csv."""
    path = os.environ.get("FER_FAST_TEST_FER2013")
    if not path:
        pytest.skip("FER_FAST_TEST_FER2013 does not name a local copy of FER-2013")
    return Path(path)


@pytest.fixture(scope="session")
def ferplus() -> Path:
    """Return a local copy of FER+'s votes."""
    path = os.environ.get("FER_FAST_TEST_FERPLUS")
    if not path:
        pytest.skip("FER_FAST_TEST_FERPLUS does not name a local copy of FER+'s fer2013new.csv")
    return Path(path)


@pytest.fixture(scope="session")
def imagenet() -> Weights:
    """Return the real ImageNet weights, from the user's cache or whatever source is reachable."""
    try:
        return resolve_weights(None)
    except WeightsError as error:
        pytest.skip(f"no ImageNet weights: {error}")


@pytest.fixture(scope="session")
def faces() -> NDArray[np.uint8]:
    """Return 40 images with structure at every scale, an all-black and an all-white one."""
    rng = np.random.default_rng(3)
    layers = [
        np.kron(rng.integers(0, 256, (40, side, side)), np.ones((1, 48 // side, 48 // side)))
        for side in (2, 6, 16, 48)
    ]
    images = np.mean(layers, axis=0).astype(np.uint8)
    images[0], images[1] = 0, 255
    return images


@pytest.fixture(scope="session")
def random_network(faces: NDArray[np.uint8]) -> Any:
    """Return a Keras MobileNetV2 whose features vary as much as those of a trained one.

    Its kernels are random. Without the batch statistics its features would be about 1e-11, and any
    absolute tolerance would hold of them.
    """
    import keras

    keras.utils.set_random_seed(7)
    network = keras.applications.MobileNetV2(
        include_top=False, weights=None, input_shape=(48, 48, 3)
    )
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    images = np.repeat(faces[..., None] / np.float32(127.5) - 1, 3, axis=-1)
    network(images, training=True)
    return network


@pytest.fixture(scope="session")
def random_weights(random_network: Any, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """Return `random_network`'s weights as a file that needs no network to get."""
    tensors = [
        np.asarray(tensor)
        for layer, _ in LAYERS
        for tensor in random_network.get_layer(layer).get_weights()
    ]
    path = tmp_path_factory.mktemp("weights") / "random.h5"
    with path.open("wb") as file:
        write_tensors(tensors, file)
    return resolve_weights(path)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache in which tests find the models that others have exported."""
    return tmp_path_factory.mktemp("shared-cache")


@pytest.fixture
def run_cli(tmp_path: Path) -> RunCli:
    """Return a function that runs the real ``fer-fast`` in a folder, and with a cache, of its own.

    Keywords are variables of its environment.
    """
    own = {"FER_FAST_CACHE": str(tmp_path / "cache")}

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fer_fast", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | own | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@dataclass
class Recorder:
    """A reporter that remembers."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: int = 0

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    @contextmanager
    def task(self, *_: object) -> Iterator[Recorder]:
        yield self

    def advance(self, steps: int = 1, status: str = "") -> None:  # noqa: ARG002
        self.steps += steps


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder."""
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every request of urllib and pip to a port where nothing listens."""
    nowhere = "http://127.0.0.1:9"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, nowhere)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("PIP_INDEX_URL", f"{nowhere}/simple")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


@pytest.fixture(scope="session")
def imagenet_model(imagenet: Weights) -> Path:
    return cached_model(imagenet, BackboneConfig())


@pytest.fixture(scope="session")
def random_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "random.onnx"
    export_model(random_weights, BackboneConfig(), path)
    return path


@pytest.fixture(scope="session")
def equalised_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "equalised.onnx"
    export_model(random_weights, BackboneConfig(equalise=True), path)
    return path


@pytest.fixture(scope="session")
def resizing_model(random_weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "80.onnx"
    export_model(random_weights, BackboneConfig(size=80), path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a browser without a window, its camera a made one."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield running
    running.quit()


LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

DrawFace = Callable[..., Any]


@pytest.fixture(scope="session")
def draw_face() -> DrawFace:
    """Return a function that draws a face which YuNet finds, in the middle of a square picture."""
    from PIL import Image, ImageDraw, ImageFilter

    def draw(side: int = 300, *, smiling: bool = True) -> Any:
        scale = 2 * side
        picture = Image.new("RGB", (scale, scale), (120, 140, 160))
        pen = ImageDraw.Draw(picture)

        def oval(x: float, y: float, width: float, height: float, colour: Any) -> None:
            corners = (x - width, y - height, x + width, y + height)
            pen.ellipse([scale * value for value in corners], fill=colour)

        pen.rectangle([scale * value for value in (0.4, 0.75, 0.6, 1)], fill=(200, 150, 120))
        oval(0.5, 0.47, 0.30, 0.40, (60, 40, 30))
        oval(0.5, 0.52, 0.26, 0.35, (224, 178, 148))
        for x in (0.39, 0.61):
            oval(x, 0.47, 0.055, 0.028, (250, 250, 250))
            oval(x, 0.47, 0.025, 0.027, (50, 35, 30))
            brow = [scale * value for value in (x - 0.07, 0.405, x + 0.07, 0.405)]
            pen.line(brow, fill=(60, 40, 30), width=max(1, round(0.018 * scale)))
        nose = [(scale * x, scale * y) for x, y in ((0.5, 0.48), (0.455, 0.62), (0.545, 0.62))]
        pen.polygon(nose, fill=(200, 150, 120))
        for x in (0.475, 0.525):
            oval(x, 0.625, 0.015, 0.01, (120, 80, 70))
        if smiling:
            mouth = [scale * value for value in (0.40, 0.64, 0.60, 0.78)]
            pen.chord(mouth, 0, 180, fill=(150, 50, 50))
        else:
            oval(0.5, 0.73, 0.06, 0.02, (150, 60, 60))
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
        return small.filter(ImageFilter.GaussianBlur(side / 200))

    return draw


@pytest.fixture(scope="session")
def plain_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an ONNX file in the place of a backbone whose features are the pixels over 255."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "over_255": np.float32(1 / 255),
        "shape": np.array([-1, 48 * 48], np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["cast", "over_255"], ["scaled"]),
            helper.make_node("Reshape", ["scaled", "shape"], ["features"]),
        ],
        "plain",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 48, 48])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 48 * 48])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    path = tmp_path_factory.mktemp("plain-backbone") / "plain.onnx"
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    return path


@pytest.fixture(scope="session")
def expression_model(plain_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model.onnx with random weights that says FER-2013's seven labels."""
    from fer_fast.graph.onefile import softmax_classifier, write_onefile
    from fer_fast.recognition import ModelInfo

    weights = np.random.default_rng(5).normal(0, 0.05, (48 * 48, len(LABELS)))
    info = ModelInfo(LABELS, version="test", run_id="a-run", scores={"protocol": "none"})
    path = tmp_path_factory.mktemp("expression-model") / "model.onnx"
    classifier = softmax_classifier(weights, np.zeros(len(LABELS)))
    write_onefile(plain_backbone, None, classifier, info.to_metadata(), path)
    return path


@pytest.fixture(scope="session")
def one_cut_forest() -> Callable[[int, float, int], Any]:
    """Return a function that makes a forest of one cut, as ai.onnx.ml 5 has it.

    It says the first of two classes where a feature is at most the threshold, else the second.
    """
    from onnx import TensorProto, helper, numpy_helper

    def make(feature: int, threshold: float, n_features: int) -> Any:
        attributes = {
            "nodes_featureids": [feature],
            "nodes_truenodeids": [0],
            "nodes_falsenodeids": [1],
            "nodes_trueleafs": [1],
            "nodes_falseleafs": [1],
            "tree_roots": [0],
            "leaf_targetids": [0, 1],
            "n_targets": 2,
            "post_transform": 0,
            "aggregate_function": 1,
        }
        node = helper.make_node(
            "TreeEnsemble", ["features"], ["votes"], "trees", domain="ai.onnx.ml", **attributes
        )
        for name, values in (
            ("nodes_splits", np.array([threshold], np.float32)),
            ("leaf_weights", np.ones(2, np.float32)),
            ("nodes_modes", np.zeros(1, np.uint8)),
        ):
            node.attribute.append(
                helper.make_attribute(name, numpy_helper.from_array(values, name))
            )
        graph = helper.make_graph(
            [node],
            "forest",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", n_features])],
            [helper.make_tensor_value_info("votes", TensorProto.FLOAT, ["n", 2])],
        )
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    return make
