"""Faces and their expressions out of pictures: detector, crop and model in one object."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.environment import available_cpus
from fer_fast.errors import FerFastError, ParameterError
from fer_fast.faces.image import PictureError, decode_picture, upright_rgb
from fer_fast.recognition.crop import FACE_SIDE, RESAMPLING, face_crop
from fer_fast.recognition.detect import FaceDetector
from fer_fast.recognition.model import Device, ExpressionModel, ModelInfo
from fer_fast.recognition.sources import Channels, from_array, read_file

BUNDLED_MODEL = Path(__file__).parent / "assets" / "expressions.onnx"
"""The model that comes with the package."""

Faces = Literal["all", "largest", "none"]
Picture = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image.Image

_FACES_IN_BATCH = 64
_PICTURES_IN_BATCH = 16
_PIXELS_IN_BATCH = 64_000_000
"""What of kept pictures may wait for their batch, in pixels."""


@dataclass(frozen=True)
class Box:
    """A rectangle within a picture, in its pixels."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Face:
    """A face and its expression.

    Attributes
    ----------
    box : Box
        Where the face is, cut off at the picture's borders.
    landmarks : tuple of (float, float)
        x and y of the right eye, the left eye, the tip of the nose, and the right and the left
        corner of the mouth, as seen from the person; empty where nothing was detected.
    score : float or None
        How sure the detector is that this is a face, 0 to 1; None where it was told.
    label : str
        The most probable expression.
    probabilities : dict of str to float
        By expression, in the model's order.
    margin : float
        The greatest probability less the second: near 0, the model is not sure.
    crop : ndarray of shape (48, 48), uint8
        What the model saw.
    """

    box: Box
    landmarks: tuple[tuple[float, float], ...]
    score: float | None
    label: str
    probabilities: dict[str, float]
    margin: float
    crop: NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Prediction:
    """What came out of one picture of many.

    Attributes
    ----------
    faces : list of Face
        The best detected first.
    size : tuple of int
        Width and height of the picture, upright; (0, 0) where it cannot be read.
    error : FerFastError or None
        Why the picture cannot be used.
    picture : PIL.Image.Image or None
        Upright, of mode RGB, where it was asked for.
    """

    faces: list[Face]
    size: tuple[int, int]
    error: FerFastError | None = None
    picture: Image.Image | None = field(default=None, repr=False)


_Place = tuple[Box, tuple[tuple[float, float], ...], float | None]
"""A face's box, landmarks and score."""


@dataclass(frozen=True)
class _Wanted:
    """What `Recognizer.stream` was asked for."""

    faces: Faces
    channels: Channels
    small_faces: bool
    max_faces: int | None
    keep_picture: bool


@dataclass(frozen=True)
class _Prepared:
    """A picture whose faces are cut out and wait for the model."""

    size: tuple[int, int]
    found: list[_Place]
    crops: list[NDArray[np.uint8]]
    error: FerFastError | None = None
    picture: Image.Image | None = None


class Recognizer:
    """Finds faces and says their expressions.

    Parameters
    ----------
    model : path or None, default=None
        A ``model.onnx`` that `fer-fast pipeline --out` wrote; None: the bundled model.
    device : {"cpu", "cuda"}, default="cpu"
        Where the model computes; faces are found on the CPU. CUDA takes seconds to start and pays
        for thousands of faces.
    threads : int or None, default=None
        Pictures worked on at a time; None: one for each CPU.

    Attributes
    ----------
    info : ModelInfo
        What the model says about itself.

    Raises
    ------
    ModelError
        If the model is missing, damaged, or none of fer-fast's.
    DeviceError
        If the device cannot be used.

    Examples
    --------
    >>> recognizer = Recognizer()
    >>> for face in recognizer.predict("group.jpg"):  # doctest: +SKIP
    ...     print(face.box, face.label, face.margin)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: Device = "cpu",
        threads: int | None = None,
    ) -> None:
        if threads is None:
            threads = available_cpus()
        self._threads = threads
        self._model = ExpressionModel(
            BUNDLED_MODEL if model is None else Path(model), device=device, threads=threads
        )
        self._detector = FaceDetector()

    @property
    def info(self) -> ModelInfo:
        """What the model says about itself."""
        return self._model.info

    @property
    def digest(self) -> str:
        """SHA-256 of the model's file, in hexadecimal."""
        return self._model.digest

    @overload
    def predict(  # type: ignore[overload-overlap]
        self, images: Picture, *, faces: Faces = ..., channels: Channels = ...
    ) -> list[Face]: ...

    @overload
    def predict(
        self, images: Iterable[Picture], *, faces: Faces = ..., channels: Channels = ...
    ) -> list[list[Face]]: ...

    def predict(
        self,
        images: Picture | Iterable[Picture],
        *,
        faces: Faces = "all",
        channels: Channels = "rgb",
    ) -> list[Face] | list[list[Face]]:
        """Find the faces of one picture or of many, and say their expressions.

        Parameters
        ----------
        images : picture, or iterable of pictures
            A picture is a path, a file's content, a PIL image, or a uint8 array of shape (height,
            width) for grey or (height, width, 3) for colours. An array with one dimension more is
            a batch, as is any other iterable; see `stream` for more pictures than memory holds.
        faces : {"all", "largest", "none"}, default="all"
            Which faces of a picture; "none": look for none, the picture is a face, framed as in
            FER-2013.
        channels : {"rgb", "bgr"}, default="rgb"
            The order of colours in arrays; OpenCV's are "bgr".

        Returns
        -------
        list of Face, or list of list of Face
            For one picture its faces, the best detected first, empty if there is none; for many a
            list for each.

        Raises
        ------
        PictureError
            If a picture cannot be read; it says which.
        """
        single = _is_single(images)
        pictures: Iterable[Picture] = [images] if single else images  # type: ignore[list-item, assignment]
        lists = []
        for prediction in self.stream(pictures, faces=faces, channels=channels):
            if prediction.error is not None:
                raise prediction.error
            lists.append(prediction.faces)
        return lists[0] if single else lists

    def stream(
        self,
        images: Iterable[Picture],
        *,
        faces: Faces = "all",
        channels: Channels = "rgb",
        small_faces: bool = True,
        max_faces: int | None = None,
        keep_pictures: bool = False,
    ) -> Iterator[Prediction]:
        """Yield what is in each of any number of pictures, in their order.

        Pictures are taken from `images` as they are needed, some tens ahead, and faces of several
        pictures go through the model together. A picture that cannot be used yields its error.

        Parameters
        ----------
        images : iterable of pictures
        faces, channels
            As in `predict`.
        small_faces : bool, default=True
            Look for small faces too: see `FaceDetector.detect`.
        max_faces : int or None, default=None
            A picture with more faces yields an error.
        keep_pictures : bool, default=False
            Hand the decoded pictures on.
        """
        if faces not in get_args(Faces):
            raise ParameterError(f"faces is {faces!r}: choose all, largest or none")
        if channels not in get_args(Channels):
            raise ParameterError(f"the channels are {channels!r}: choose rgb or bgr")

        wanted = _Wanted(faces, channels, small_faces, max_faces, keep_pictures)

        def prepare(position: int, image: Picture) -> _Prepared:
            try:
                return self._prepare(image, f"picture {position + 1}", wanted)
            except FerFastError as error:
                return _Prepared((0, 0), [], [], error)

        waiting: list[_Prepared] = []
        for prepared in _in_threads(prepare, images, self._threads):
            waiting.append(prepared)
            kept = sum(one.size[0] * one.size[1] for one in waiting if one.picture is not None)
            n_faces = sum(len(one.crops) for one in waiting)
            if (
                n_faces >= _FACES_IN_BATCH
                or len(waiting) >= _PICTURES_IN_BATCH
                or kept >= _PIXELS_IN_BATCH
            ):
                yield from self._classify(waiting)
                waiting = []
        yield from self._classify(waiting)

    def predict_faces(self, crops: NDArray[np.uint8]) -> list[Face]:
        """Say the expressions of faces that are cut out already.

        Parameters
        ----------
        crops : ndarray of shape (n, 48, 48), uint8
            Grey faces framed as in FER-2013.

        Returns
        -------
        list of Face
        """
        if crops.ndim != 3 or crops.shape[1:] != (FACE_SIDE, FACE_SIDE) or crops.dtype != np.uint8:
            raise ParameterError(
                f"the faces are an array of {crops.dtype} of shape {crops.shape}: give uint8 of "
                f"shape (n, {FACE_SIDE}, {FACE_SIDE}), or pictures to `predict` with faces='none'"
            )
        whole = Box(0.0, 0.0, float(FACE_SIDE), float(FACE_SIDE))
        size = (FACE_SIDE, FACE_SIDE)
        prepared = [_Prepared(size, [(whole, (), None)] * len(crops), list(crops))]
        return next(iter(self._classify(prepared))).faces

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the probabilities of faces that are cut out already.

        Parameters
        ----------
        crops : ndarray of shape (n, 48, 48), uint8

        Returns
        -------
        ndarray of shape (n, n_classes), float32
            Columns in the order of ``info.labels``.
        """
        return self._model.run(crops)[0]

    def _prepare(self, image: Picture, name: str, wanted: _Wanted) -> _Prepared:
        """Decode a picture and cut its faces out."""
        picture = _decoded(image, name, wanted.channels)
        kept = picture if wanted.keep_picture else None
        grey = picture.convert("L")
        if wanted.faces == "none":
            whole = Box(0.0, 0.0, float(picture.width), float(picture.height))
            crop = np.asarray(grey.resize((FACE_SIDE, FACE_SIDE), RESAMPLING))
            return _Prepared(picture.size, [(whole, (), None)], [crop], picture=kept)
        found = self._detector.detect(picture, small_faces=wanted.small_faces)
        if wanted.faces == "largest" and len(found):
            found = found[[int(found.boxes[:, 2:].prod(axis=1).argmax())]]
        if wanted.max_faces is not None and len(found) > wanted.max_faces:
            raise PictureError(
                f"{name} has {len(found)} faces and at most {wanted.max_faces} are answered",
                hint="cut it into parts",
            )
        places: list[_Place] = []
        crops = []
        for box, landmarks, score in zip(found.boxes, found.landmarks, found.scores, strict=True):
            crops.append(face_crop(grey, self.info.framing.square(box)))
            points = tuple((float(x), float(y)) for x, y in landmarks)
            places.append((_within(box, picture.size), points, float(score)))
        return _Prepared(picture.size, places, crops, picture=kept)

    def _classify(self, pictures: list[_Prepared]) -> Iterator[Prediction]:
        """Yield what is in pictures whose faces go through the model together."""
        crops = [crop for picture in pictures for crop in picture.crops]
        stacked = np.stack(crops) if crops else np.empty((0, FACE_SIDE, FACE_SIDE), np.uint8)
        rows = zip(*self._model.run(stacked), crops, strict=True)
        for picture in pictures:
            faces = []
            for box, landmarks, score in picture.found:
                probabilities, label, crop = next(rows)
                second, first = np.partition(probabilities, -2)[-2:]
                faces.append(
                    Face(
                        box,
                        landmarks,
                        score,
                        self.info.labels[label],
                        dict(zip(self.info.labels, map(float, probabilities), strict=True)),
                        float(first - second),
                        crop,
                    )
                )
            yield Prediction(faces, picture.size, picture.error, picture.picture)


def _is_single(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
    return isinstance(images, (str, os.PathLike, bytes, Image.Image))


def _decoded(image: Picture, name: str, channels: Channels) -> Image.Image:
    if isinstance(image, np.ndarray):
        return from_array(image, channels)
    if isinstance(image, Image.Image):
        return upright_rgb(image, name)
    if isinstance(image, bytes):
        return decode_picture(image, name)
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        return decode_picture(read_file(Path(image), name), name)
    raise ParameterError(
        f"{name} is a {type(image).__name__}: give a path, bytes, a PIL image or a uint8 array"
    )


def _within(box: NDArray[np.float32], size: tuple[int, int]) -> Box:
    """Return a box cut off at the picture's borders."""
    left, top = np.clip(box[:2], 0, size).tolist()
    right, bottom = np.clip(box[:2] + box[2:], 0, size).tolist()
    return Box(left, top, right - left, bottom - top)


def _in_threads(work: Any, items: Iterable[Picture], threads: int) -> Iterator[_Prepared]:
    """Yield `work(position, item)` for each item, in order, a few ahead of who takes them."""
    if threads == 1:
        yield from (work(position, item) for position, item in enumerate(items))
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="fer-fast-faces") as pool:
        running: deque[Future[_Prepared]] = deque()
        try:
            for position, item in enumerate(items):
                running.append(pool.submit(work, position, item))
                if len(running) > 2 * threads:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
