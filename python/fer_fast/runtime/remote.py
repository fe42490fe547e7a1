"""A model on the devices of workers: each opens it once, and computes blocks of faces."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fer_fast.errors import DeviceError, WorkersError
from fer_fast.execution.cluster import threads_of_this_worker
from fer_fast.execution.workers import WorkerDeathsError, Workers
from fer_fast.runtime.session import Session, open_session
from fer_fast.settings import Device, Precision

_BLOCK = 1024
"""Faces in one call: a second's work for a core, and a whole number of any device's batches."""

_UNDER_WAY_BYTES = 2**29
_LEAST_UNDER_WAY, _MOST_UNDER_WAY = 8, 64
"""Blocks asked for at one time, as many as this memory holds: answers wait for the one in turn."""


class Extractor(Protocol):
    """What turns faces into features: `Session` here, or `RemoteSession` elsewhere."""

    model_digest: str
    n_features: int

    @property
    def device(self) -> str:
        """``"cpu"``, or ``"cuda:"`` and the device's name."""

    @property
    def kind(self) -> str:
        """``"cpu"`` or ``"cuda"``."""

    @property
    def precision(self) -> Precision:
        """The arithmetic: fp32, tf32 or fp16."""

    def features(
        self,
        pixels: NDArray[np.uint8],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] = ...,
    ) -> NDArray[np.float32]:
        """Compute the features of faces; see `Session.features`."""


@dataclass(frozen=True)
class _About:
    """What a worker says of the model that it has opened."""

    device: str
    kind: str
    precision: Precision
    n_features: int
    model_digest: str


class RemoteSession:
    """A model that workers have opened; of the same kinds of device, it gives `Session`'s features.

    Parameters
    ----------
    model : Path
        A model that `export_model` wrote; its bytes are sent.
    workers : Workers
    device : {"auto", "cpu", "cuda"}
        What each worker opens it on.
    precision : {"fp32", "tf32", "fp16"}

    Attributes
    ----------
    device : str
        That of the worker that answered first: ``"cpu"``, or ``"cuda:"`` and the device's name.
    kind : {"cpu", "cuda"}
        The same for all workers.
    precision : {"fp32", "tf32", "fp16"}
        The arithmetic.
    model_digest : str
    n_features : int

    Raises
    ------
    DeviceError
        If a worker cannot use the device.
    WorkersError
        If there are no workers any more.
    """

    def __init__(
        self, model: Path, workers: Workers, device: Device, *, precision: Precision = "fp32"
    ) -> None:
        self._workers = workers
        self._opener = workers.parcel(_Opener(model.read_bytes(), device, precision))
        about: _About = self._call(_Opener.about)
        self.device = about.device
        self.kind = about.kind
        self.precision = about.precision
        self.model_digest = about.model_digest
        self.n_features = about.n_features

    def features(
        self,
        pixels: NDArray[np.uint8],
        *,
        batch_size: int | None = None,
        advance: Callable[[int], None] = lambda _: None,
    ) -> NDArray[np.float32]:
        """Compute the features of faces.

        Parameters
        ----------
        pixels : ndarray of shape (n, 48, 48), uint8
        batch_size : int or None
            Faces in one call of the model; None: a good one for the device.
        advance : callable
            Told how many faces are done, each time some are, in this thread.

        Returns
        -------
        ndarray of shape (n, n_features), float32, C order

        Raises
        ------
        DeviceError
            If a device fails, or a worker's is of another kind than the first one's.
        WorkersError
            If three workers died of one block, or there are none any more.
        """
        out = np.empty((len(pixels), self.n_features), dtype=np.float32)

        def compute(rows: slice) -> int:
            kind, out[rows] = self._call(_Opener.features, pixels[rows], batch_size)
            if kind != self.kind:
                raise DeviceError(
                    f"one worker computes on {self.kind} and another on {kind}, which rounds "
                    "differently",
                    hint="name one by --device",
                )
            return len(out[rows])

        most = _UNDER_WAY_BYTES // (4 * self.n_features * _BLOCK)
        most = max(_LEAST_UNDER_WAY, min(most, _MOST_UNDER_WAY))
        running: deque[Future[int]] = deque()
        pool = ThreadPoolExecutor(most, thread_name_prefix="fer-fast-blocks")
        try:
            for start in range(0, len(pixels), _BLOCK):
                running.append(pool.submit(compute, slice(start, start + _BLOCK)))
                if len(running) >= most:
                    advance(running.popleft().result())
            while running:
                advance(running.popleft().result())
        finally:
            # What is under way ends within a block, unless the workers are left before.
            pool.shutdown(wait=not running, cancel_futures=True)
        return out

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return self._workers.call(function, [self._opener], *arguments)
        except WorkerDeathsError as error:
            raise WorkersError(
                f"the backbone's features cannot be computed: {error}",
                hint="give the workers more memory",
            ) from error


class _Opener:
    """A model's bytes, and in a worker the session that it opens of them once."""

    def __init__(self, model: bytes, device: Device, precision: Precision) -> None:
        self._made_of = (model, device, precision)
        self._opening = Lock()
        self._session: Session | None = None

    def __reduce__(self) -> Any:
        return _Opener, self._made_of

    def about(self) -> _About:
        """Return what the session is."""
        one = self._opened()
        return _About(one.device, one.kind, one.precision, one.n_features, one.model_digest)

    def features(
        self, pixels: NDArray[np.uint8], batch_size: int | None
    ) -> tuple[str, NDArray[np.float32]]:
        """Return the kind of device, and the features of a block."""
        session = self._opened()
        features = session.features(pixels, batch_size=batch_size)
        return session.kind, features

    def _opened(self) -> Session:
        with self._opening:
            if self._session is None:
                model, device, precision = self._made_of
                # It may be read again later, and goes with this object.
                self._home = tempfile.TemporaryDirectory(prefix="fer-fast-")
                path = Path(self._home.name) / "model.onnx"
                path.write_bytes(model)
                self._session = open_session(
                    path, device, precision=precision, jobs=threads_of_this_worker()
                )
            return self._session
