"""One thread that predicts for all requests, those that wait together in one batch.

ONNX Runtime's memory grows with each thread that calls it, so there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from fer_fast.errors import FerFastError
from fer_fast.faces.image import decode_picture
from fer_fast.recognition import Prediction, Recognizer
from fer_fast.recognition.recognizer import Faces

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
"""What browsers show; TIFF's decoder is a large one to lend to strangers."""

_BATCH = 16


@dataclass
class _Job:
    """A picture that waits, and who waits for it."""

    content: bytes
    faces: Faces
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Prediction]

    def finish(self, outcome: Prediction | BaseException) -> None:
        """Hand the outcome to the event loop's thread, which may be gone by now."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve, outcome)

    def _resolve(self, outcome: Prediction | BaseException) -> None:
        # Whoever waited too long has cancelled it.
        if self.answer.done():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Inference:
    """The thread and its queue.

    Parameters
    ----------
    recognizer : Recognizer
        With one thread.
    max_pixels, max_faces : int
        Of a picture that is answered.
    """

    def __init__(self, recognizer: Recognizer, *, max_pixels: int, max_faces: int) -> None:
        self._recognizer = recognizer
        self._max_pixels = max_pixels
        self._max_faces = max_faces
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="fer-fast-inference", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread.is_alive()

    async def predict(self, content: bytes, faces: Faces) -> Prediction:
        """Wait for what is in a picture; cancelling the wait takes it out of the queue.

        Raises
        ------
        PictureError
            If the picture cannot be used.
        """
        loop = asyncio.get_running_loop()
        job = _Job(content, faces, loop, loop.create_future())
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()
        return await job.answer

    def close(self) -> None:
        """Let the thread end after its batch."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                self._predict(batch)
            # The thread must outlive a defect; whoever waits is told.
            except Exception as error:
                for job in batch:
                    job.finish(error)

    def _next_batch(self) -> list[_Job]:
        """Return the jobs that wait and want the same faces; none once the thread is to end."""
        with self._changed:
            while not self._closed:
                while self._jobs and self._jobs[0].answer.cancelled():
                    self._jobs.popleft()
                if self._jobs:
                    break
                self._changed.wait()
            if self._closed:
                return []
            batch = [self._jobs.popleft()]
            while self._jobs and len(batch) < _BATCH and self._jobs[0].faces == batch[0].faces:
                batch.append(self._jobs.popleft())
            return batch

    def _predict(self, batch: list[_Job]) -> None:
        readable: deque[_Job] = deque()

        def pictures() -> Iterator[Image.Image]:
            for job in batch:
                if job.answer.cancelled():
                    continue
                try:
                    picture = decode_picture(
                        job.content, "the picture", formats=FORMATS, max_pixels=self._max_pixels
                    )
                except FerFastError as error:
                    job.finish(error)
                    continue
                readable.append(job)
                yield picture

        predictions = self._recognizer.stream(
            pictures(), faces=batch[0].faces, max_faces=self._max_faces
        )
        for prediction in predictions:
            readable.popleft().finish(prediction.error or prediction)
