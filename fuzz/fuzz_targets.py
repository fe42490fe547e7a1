"""The readers of outside data: each takes any bytes, and refuses what it cannot use in a sentence.

`TARGETS` is what ``fuzz/run.py`` feeds for minutes, guided by coverage, and what
``tests/test_outside_data.py`` feeds for a second.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mutations import mutated_bytes, mutated_json, mutated_lines
from PIL import Image

from fer_fast import Colony
from fer_fast.backbone.architecture import LAYERS
from fer_fast.backbone.hdf5 import read_hdf5
from fer_fast.errors import FerFastError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.ferplus import with_ferplus_labels
from fer_fast.faces.image import decode_grey, decode_picture
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import write_npz
from fer_fast.recognition.crop import FACE_SIDE
from fer_fast.recognition.model import ExpressionModel, ModelInfo
from fer_fast.runs.journal import run_journal
from fer_fast.runs.predictions import TestPredictions, load_predictions, save_predictions
from fer_fast.runs.record import read_record
from fer_fast.runs.seeds import SeedsFolder
from fer_fast.settings import Settings, config_text, read_config


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes
    ----------
    seeds : callable
        Takes a folder to write in, and returns files as they should be.
    read : callable
        Takes the content of a file, and a folder that it may write in.
    refuses_by : tuple of exception types
        What it may raise; anything else is a fault.
    mutate : callable
        Takes a file as it should be and a source of chance, and returns another.
    """

    seeds: Callable[[Path], list[bytes]]
    read: Callable[[bytes, Path], object]
    refuses_by: tuple[type[Exception], ...] = (FerFastError,)
    mutate: Callable[[bytes, random.Random], bytes] = mutated_bytes

    def accepts(self, content: bytes, folder: Path) -> bool:
        """Read a file; tell whether the reader took it."""
        with suppress(*self.refuses_by):
            self.read(content, folder)
            return True
        return False


def _dataset() -> FaceDataset:
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 3] * 2, np.uint8)
    splits = np.repeat(list(Split), [8, 4, 4]).astype(np.uint8)
    pixels = np.repeat(labels[:, None], FACE_SIDE**2, axis=1).reshape(-1, FACE_SIDE, FACE_SIDE)
    return FaceDataset(pixels, labels, splits, "few")


def _table() -> bytes:
    usage = {
        Split.TRAINING: "Training",
        Split.PUBLIC_TEST: "PublicTest",
        Split.PRIVATE_TEST: "PrivateTest",
    }
    faces = _dataset()
    lines = ["emotion,pixels,Usage"]
    for face, label, split in zip(faces.pixels, faces.labels, faces.splits, strict=True):
        lines.append(f"{label},{' '.join(map(str, face.ravel()))},{usage[Split(split)]}")
    return "\n".join(lines).encode() + b"\n"


def _grey(shift: int = 0) -> Image.Image:
    return Image.fromarray(np.arange(36, dtype=np.uint8).reshape(6, 6) * 7 + np.uint8(shift))


def _png(shift: int) -> bytes:
    packed = io.BytesIO()
    _grey(shift).save(packed, "png")
    return packed.getvalue()


def _pictures(_: Path) -> list[bytes]:
    grey = _grey()
    made = [
        (grey, "png"),
        (grey.convert("RGBA"), "png"),
        (grey.convert("P"), "gif"),
        (grey.convert("1"), "tiff"),
        (grey.convert("I"), "tiff"),
        (grey.convert("F"), "tiff"),
        (grey.convert("RGB"), "jpeg"),
        (grey.convert("CMYK"), "jpeg"),
        (grey.convert("RGB"), "bmp"),
        (grey.convert("RGB"), "webp"),
    ]
    contents = []
    for picture, kind in made:
        packed = io.BytesIO()
        picture.save(packed, kind)
        contents.append(packed.getvalue())
    return contents


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _archives(_: Path) -> list[bytes]:
    tree = {
        f"{part}/{label}/{number}.png": _png(number + shift)
        for part, label, shift in (
            ("train", "happy", 0),
            ("train", "sad", 20),
            ("test", "happy", 40),
            ("test", "sad", 60),
        )
        for number in range(4)
    }
    table = {"fer2013/fer2013.csv": _table()}
    return [_zip(tree), _zip(table), _tar(tree), _tar(table)]


def _npz(_: Path) -> list[bytes]:
    packed = io.BytesIO()
    write_npz(replace(_dataset(), own_labels=_dataset().labels), packed)
    return [packed.getvalue()]


def _faces_at(name: str) -> Callable[[bytes, Path], object]:
    def read(content: bytes, folder: Path) -> object:
        os.environ["FER_FAST_CACHE"] = str(folder / "cache")
        return load_faces(_write(folder / name, content))

    return read


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _read_picture(content: bytes, _: Path) -> object:
    with suppress(FerFastError):
        decode_grey(content, "picture")
    return decode_picture(content, "picture")


def _votes(_: Path) -> list[bytes]:
    names = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"
    names += ",unknown,NF"
    rows = [
        f"{usage},a.png,{','.join('9' if place == row % 8 else '0' for place in range(10))}"
        for row, usage in enumerate(["Training"] * 8 + ["PublicTest"] * 4 + ["PrivateTest"] * 4)
    ]
    return ["\n".join([names, *rows]).encode() + b"\n"]


def _weights(_: Path) -> list[bytes]:
    import h5py

    packed = io.BytesIO()
    with h5py.File(packed, "w") as root:
        # Of a few layers: the rest is of the same kind, and costs a megabyte.
        few = list(LAYERS)[:3]
        root.attrs["layer_names"] = [layer for layer, _ in few]
        for layer, shapes in few:
            group = root.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/{tensor}:0" for tensor in shapes]
            for tensor, shape in shapes.items():
                group[f"{layer}/{tensor}:0"] = np.zeros(shape, np.float32)
    return [packed.getvalue()]


def _predictions(folder: Path) -> list[bytes]:
    told = TestPredictions(
        rows=np.arange(4),
        y=np.array([0, 1, 0, 1]),
        shared=np.zeros(4, bool),
        predicted=np.array([0, 1, 1, 1]),
        probabilities=np.full((4, 2), 0.5, np.float32),
        baselines={"random": np.zeros(4, np.int64)},
    )
    save_predictions(folder / "predictions.npz", told, "a-run")
    return [(folder / "predictions.npz").read_bytes()]


_RUN_ID = "20260101T000000-00000000"


def _journal(folder: Path) -> list[bytes]:
    path = folder / "new" / "evaluations.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    journal = run_journal(path, _RUN_ID, Settings())
    journal.begin({"data": "d", "features": "f", "desirability": "e"})
    for number in range(3):
        credit = np.linspace(0, 1, number + 1)
        judged = 0.25 * number, credit
        journal.add(0, number, np.arange(number + 1), judged, seconds=1.0, elapsed=2.0)
    journal.end(0, "iterations")
    journal.close()
    return [path.read_bytes()]


def _read_journal(content: bytes, folder: Path) -> object:
    return run_journal(_write(folder / "evaluations.jsonl", content), _RUN_ID, Settings())


def _configs(_: Path) -> list[bytes]:
    text = config_text(Settings(taps=("out_relu",), data=Path("/faces.csv")))
    return [text.encode(), b"# fer-fast seeds 3 of run " + _RUN_ID.encode() + b"\n" + text.encode()]


def _read_config(content: bytes, folder: Path) -> object:
    path = _write(folder / "config.toml", content)
    SeedsFolder.find(path.parent)
    return Settings(**read_config(path))


def _metrics(_: Path) -> list[bytes]:
    names = ("run_id", "version", "test", "features", "colony", "data", "parameters", "baselines")
    return [json.dumps({name: {"a": [1, 2.5, None]} for name in names}).encode()]


def _read_metrics(content: bytes, folder: Path) -> object:
    return read_record(_write(folder / "metrics.json", content).parent)


def _model(folder: Path) -> list[bytes]:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, kind: int, *shape: str | int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["cast", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    constants = {
        "shape": np.array([-1, FACE_SIDE**2], np.int64),
        "weights": np.zeros((FACE_SIDE**2, 2), np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "small",
        [value("pixels", TensorProto.UINT8, "n", FACE_SIDE, FACE_SIDE)],
        [value("probabilities", TensorProto.FLOAT, "n", 2), value("label", TensorProto.INT64, "n")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(made, ModelInfo(("happy", "sad")).to_metadata())
    path = folder / "seed.onnx"
    onnx.save(made, path)
    return [path.read_bytes()]


def _read_model(content: bytes, folder: Path) -> object:
    model = ExpressionModel(_write(folder / "model.onnx", content))
    return model.run(np.zeros((1, FACE_SIDE, FACE_SIDE), np.uint8))


def _read_metadata(content: bytes, _: Path) -> object:
    try:
        properties = dict(json.loads(content))
    except (ValueError, TypeError, RecursionError):
        # What is no object is nothing that ONNX Runtime hands over.
        return None
    metadata = {name: str(one) for name, one in properties.items()}
    return ModelInfo.from_metadata(metadata, "model.onnx")


def _mutate_metadata(content: bytes, draw: random.Random) -> bytes:
    """Return metadata of which a text is another, or its JSON has other values."""
    metadata = json.loads(content)
    name = draw.choice(list(metadata))
    try:
        metadata[name] = json.dumps(mutated_json(json.loads(metadata[name]), draw))
    except ValueError:
        changed = mutated_bytes(metadata[name].encode(), draw)
        metadata[name] = changed.decode(errors="replace")
    return json.dumps(metadata).encode()


def _colony(_: Path) -> list[bytes]:
    colony = Colony(np.ones(6), n_ants=3, seed=1)
    fresh = colony.to_json().encode()
    colony.run(len, n_iterations=2)
    return [fresh, colony.to_json().encode()]


def _read_colony(content: bytes, _: Path) -> object:
    colony = Colony.from_json(content.decode())
    return colony.ask()


TARGETS = {
    "table": Target(lambda _: [_table()], _faces_at("faces.csv")),
    "packed table": Target(
        lambda _: [pack(_table()) for pack in (gzip.compress, bz2.compress, lzma.compress)],
        _faces_at("faces.csv.gz"),
    ),
    "archive": Target(_archives, _faces_at("faces.bin")),
    "npz": Target(_npz, _faces_at("faces.npz")),
    "picture": Target(_pictures, _read_picture),
    "votes": Target(
        _votes,
        lambda content, folder: with_ferplus_labels(
            _dataset(), _write(folder / "votes.csv", content)
        ),
    ),
    "weights": Target(_weights, lambda content, _: read_hdf5(io.BytesIO(content), "weights.h5")),
    "predictions": Target(
        _predictions,
        lambda content, folder: load_predictions(_write(folder / "predictions.npz", content)),
    ),
    "journal": Target(_journal, _read_journal, mutate=mutated_lines),
    "torn journal": Target(_journal, _read_journal),
    "config": Target(_configs, _read_config),
    "metrics": Target(_metrics, _read_metrics),
    "model": Target(_model, _read_model),
    "metadata": Target(
        lambda _: [json.dumps(ModelInfo(("happy", "sad")).to_metadata()).encode()],
        _read_metadata,
        mutate=_mutate_metadata,
    ),
    "colony": Target(_colony, _read_colony, (ValueError,), mutate=mutated_lines),
}
