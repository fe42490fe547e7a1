"""The model file: what a ``model.onnx`` holds and says about itself, and how it is run.

The contract, which `fer_fast.graph.onefile` writes and this module reads:

========================== =========================================================================
input ``pixels``           uint8 (n, 48, 48): grey faces framed as in FER-2013
output ``probabilities``   float32 (n, classes): calibrated, each row sums to 1
output ``label``           int64 (n,): the most probable class; of equals the first
nodes ``classifier/…``     all that follows the backbone: may compute on the CPU beside CUDA
``fer_fast.format``        ``1``
``fer_fast.labels``        the classes' names in the order of the columns, a JSON list
``fer_fast.input_size``    the faces' side in pixels
``fer_fast.face_bytes``    bytes of memory that computing a face takes, about
``fer_fast.crop``          JSON ``{"side", "centre": [right, down]}``: see `Framing`
``fer_fast.version``       the fer-fast that wrote the file
``fer_fast.run_id``        the run that it comes from
``fer_fast.data_digest``   SHA-256 of the training data
``fer_fast.backbone_digest`` SHA-256 of the exported backbone
``fer_fast.parameters``    JSON object: how it was trained
``fer_fast.calibration``   JSON object: what was fitted, and the errors before and after
``fer_fast.scores``        JSON object: ``protocol``, ``data`` (whose labels), ``test`` and
                           ``test_deduplicated`` (what was scored with them); ``own_labels`` may
                           hold the last three again, with the labels that the faces came with
``Image.*``, ``model_*``   as ONNX's metadata conventions have them
========================== =========================================================================

The keys are metadata properties of the file; all but the format, the labels, the size and the crop
may be missing.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DeviceError, ParameterError
from fer_fast.recognition.crop import FACE_SIDE, FER2013, Framing
from fer_fast.recognition.engine import ModelError, open_on_cpu, open_session, session_options
from fer_fast.runtime.cuda import free_memory, provider_options, require_cuda
from fer_fast.runtime.failures import onnxruntime_errors, reason
from fer_fast.runtime.lanes import plan_cpu, plan_cuda

Device = Literal["cpu", "cuda"]

FORMAT = "1"

_IMAGE_METADATA = {
    "Image.BitmapPixelFormat": "Gray8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "NominalRange_0_255",
}
_FACE_BYTES = 2**25
"""What a face takes at most in a file that does not say it."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says about itself; see the module's table.

    Attributes
    ----------
    labels : tuple of str
    framing : Framing
    version, run_id, data_digest, backbone_digest : str
        Empty where unknown.
    parameters, calibration, scores : dict
        Empty where unknown.
    author, license : str
    face_bytes : int
        Of memory that computing a face takes, about; batches are planned by it.
    """

    labels: tuple[str, ...]
    framing: Framing = FER2013
    version: str = ""
    run_id: str = ""
    data_digest: str = ""
    backbone_digest: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    author: str = ""
    license: str = ""
    face_bytes: int = _FACE_BYTES

    def __post_init__(self) -> None:
        if len(set(self.labels)) < max(len(self.labels), 2):
            raise ParameterError(
                f"the model's labels are {list(self.labels)}: give at least two, all different"
            )
        if self.face_bytes < 1:
            raise ParameterError(f"a face takes {self.face_bytes} bytes of memory: give at least 1")

    def to_metadata(self) -> dict[str, str]:
        """Return the file's metadata properties."""
        crop = {"side": self.framing.side, "centre": list(self.framing.centre)}
        texts = {name: getattr(self, name) for name in _TEXTS}
        objects = {name: json.dumps(getattr(self, name)) for name in _OBJECTS}
        return {
            "fer_fast.format": FORMAT,
            "fer_fast.labels": json.dumps(self.labels),
            "fer_fast.input_size": str(FACE_SIDE),
            "fer_fast.face_bytes": str(self.face_bytes),
            "fer_fast.crop": json.dumps(crop),
            **{f"fer_fast.{name}": value for name, value in (texts | objects).items()},
            **_IMAGE_METADATA,
            "model_author": self.author,
            "model_license": self.license,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], source: str) -> ModelInfo:
        """Read metadata properties.

        Raises
        ------
        ModelError
            If they are not those of a model file that this version knows; it names `source`.
        """
        if "fer_fast.format" not in metadata:
            raise ModelError(
                f"{source} is an ONNX model, but none of fer-fast's: give a model.onnx that "
                "`fer-fast pipeline --out` wrote"
            )
        if metadata["fer_fast.format"] != FORMAT:
            raise ModelError(
                f"{source} has the format {metadata['fer_fast.format']} and this fer-fast reads "
                f"format {FORMAT}: upgrade fer-fast"
            )
        try:
            crop = json.loads(metadata["fer_fast.crop"])
            horizontal, vertical = map(float, crop["centre"])
            size = int(metadata["fer_fast.input_size"])
            labels = tuple(map(str, json.loads(metadata["fer_fast.labels"])))
            framing = Framing(float(crop["side"]), (horizontal, vertical))
            rest: dict[str, Any] = {name: metadata.get(f"fer_fast.{name}", "") for name in _TEXTS}
            for name in _OBJECTS:
                rest[name] = dict(json.loads(metadata.get(f"fer_fast.{name}", "{}")))
            info = cls(
                labels,
                framing,
                **rest,
                author=metadata.get("model_author", ""),
                license=metadata.get("model_license", ""),
                face_bytes=int(metadata.get("fer_fast.face_bytes", _FACE_BYTES)),
            )
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{source} is damaged: its metadata cannot be read ({type(error).__name__}: "
                f"{error}); write it again"
            ) from error
        if size != FACE_SIDE:
            raise ModelError(
                f"{source} takes faces of {size} pixels and this fer-fast cuts {FACE_SIDE}: "
                "use the fer-fast that wrote it"
            )
        return info


_TEXTS = ("version", "run_id", "data_digest", "backbone_digest")
_OBJECTS = ("parameters", "calibration", "scores")


class ExpressionModel:
    """A loaded model file.

    Parameters
    ----------
    path : Path
    device : {"cpu", "cuda"}, default="cpu"
    threads : int, default=1
        Batches computed at a time on the CPU.

    Attributes
    ----------
    info : ModelInfo
    digest : str
        SHA-256 of the file, in hexadecimal.
    device : str

    Raises
    ------
    ModelError
        If the file is missing, damaged or no model of fer-fast.
    DeviceError
        If CUDA was asked for and cannot be used.
    """

    def __init__(self, path: Path, *, device: Device = "cpu", threads: int = 1) -> None:
        if device not in get_args(Device):
            raise ParameterError(f"the device is {device!r}: choose cpu or cuda")
        if threads < 1:
            raise ParameterError(f"{threads} threads: give at least 1")
        self._session = open_on_cpu(path) if device == "cpu" else _open_on_cuda(path)
        try:
            metadata = self._session.get_modelmeta().custom_metadata_map
            self.info = ModelInfo.from_metadata(metadata, str(path))
            self._check_interface(path)
        except UnicodeDecodeError as error:
            raise ModelError(
                f"{path} is damaged: a name or a property in it is no text", hint="write it again"
            ) from error
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.device = device
        if device == "cpu":
            plan = plan_cpu(self.info.face_bytes, threads)
        else:
            plan = plan_cuda(self.info.face_bytes, free_memory(), 1)
        self._batch_size, self._threads = plan.batch_size, plan.lanes
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def _check_interface(self, path: Path) -> None:
        puts = [*self._session.get_inputs(), *self._session.get_outputs()]
        found = [(put.name, put.type, put.shape[1:]) for put in puts]
        expected = [
            ("pixels", "tensor(uint8)", [FACE_SIDE, FACE_SIDE]),
            ("probabilities", "tensor(float)", [len(self.info.labels)]),
            ("label", "tensor(int64)", []),
        ]
        if found != expected:
            raise ModelError(
                f"{path} is damaged: its inputs and outputs are {found} and should be {expected}; "
                "write it again"
            )

    def run(self, faces: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compute probabilities and labels.

        Parameters
        ----------
        faces : ndarray of shape (n, 48, 48), uint8

        Returns
        -------
        probabilities : ndarray of shape (n, n_classes), float32
        labels : ndarray of shape (n,), int64
            Positions in ``info.labels``.

        Raises
        ------
        DeviceError
            If the device fails, mostly for lack of memory.
        """
        size = self._size_for(len(faces))
        batches = [faces[start : start + size] for start in range(0, len(faces), size)]
        try:
            if len(batches) <= 1 or self._threads == 1:
                outputs = [self._run(batch) for batch in batches]
            else:
                outputs = list(self._lanes().map(self._run, batches))
        except onnxruntime_errors() as error:
            raise DeviceError(
                f"{self.device} failed on a batch of {size} faces ({reason(error)})"
            ) from error
        if not outputs:
            return np.empty((0, len(self.info.labels)), np.float32), np.empty(0, np.int64)
        probabilities, labels = zip(*outputs, strict=True)
        return np.concatenate(probabilities), np.concatenate(labels)

    def _lanes(self) -> ThreadPoolExecutor:
        """Return this process' threads, kept because the first batch of a new one takes longer."""
        if self._pool is None or self._pool[0] != os.getpid():
            # A fork has none of its parent's threads.
            self._pool = os.getpid(), ThreadPoolExecutor(self._threads)
        return self._pool[1]

    def _size_for(self, n_faces: int) -> int:
        """Return the size of a batch of which every thread gets as many."""
        if self._threads == 1:
            return self._batch_size
        turns = max(1, math.ceil(n_faces / (self._batch_size * self._threads)))
        return max(1, math.ceil(n_faces / (turns * self._threads)))

    def _run(self, faces: NDArray[np.uint8]) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(
            ["probabilities", "label"], {"pixels": np.ascontiguousarray(faces)}
        )
        return outputs


def _open_on_cuda(path: Path) -> Any:
    """Open a model whose backbone computes on CUDA, and its classifier on the CPU."""
    from fer_fast.graph.onefile import CLASSIFIER_NODES
    from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING

    require_cuda()
    options = session_options(threads=1)
    options.add_session_config_entry(*KEEP_EXPLICIT_PADDING)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    cuda = ("CUDAExecutionProvider", provider_options("fp32"))
    session = open_session(path, options, [cuda, "CPUExecutionProvider"])
    strays = [
        node.name
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name == "CPUExecutionProvider"
        for node in part.get_nodes()
        if not node.name.startswith(CLASSIFIER_NODES)
    ]
    if session.get_providers()[0] != "CUDAExecutionProvider" or strays:
        raise DeviceError(
            f"ONNX Runtime computes {len(strays)} nodes of {path} on the CPU that belong on CUDA "
            f"({', '.join(strays[:3])}): run fer-fast doctor"
        )
    return session
