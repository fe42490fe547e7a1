"""Pictures of the mistakes that the forest is surest of: people's faces, so only on request."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.faces.loading import load_faces
from fer_fast.progress import SILENT, Reporter
from fer_fast.runs.record import RunRecord
from fer_fast.settings import DataSettings

_MOST = 24


def faces_of(run: RunRecord, reporter: Reporter = SILENT) -> FaceDataset:
    """Return the data set of a run, read again from where its settings say it lies.

    Raises
    ------
    DataError
        If what lies there now is another data set, or cannot be read.
    ParameterError
        If the run's settings cannot be read.
    """
    settings = run.settings.section(DataSettings)
    dataset = load_faces(settings.data, ferplus=settings.ferplus, reporter=reporter)
    if dataset.digest != run.metrics["data"]["hash"]:
        raise DataError(
            f"{dataset.source} holds other faces than the run in {run.path} was given",
            hint="put the data set back, or leave --faces away",
        )
    return dataset


def surest_mistakes(run: RunRecord, dataset: FaceDataset) -> str:
    """Return pictures of the test faces that the forest is surest of, and wrong about.

    Parameters
    ----------
    run : RunRecord
    dataset : FaceDataset
        Its data set, as `faces_of` returns it.
    """
    told, names = run.predictions, dataset.class_names
    answers = told.probabilities.argmax(axis=1)
    sureness = told.probabilities.max(axis=1)
    wrong = np.flatnonzero(answers != told.y)
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][:_MOST]
    pictures = "".join(
        _picture(
            dataset.pixels[told.rows[row]],
            f"{names[answers[row]]} at {sureness[row]:.0%}, labelled {names[told.y[row]]}",
        )
        for row in shown.tolist()
    )
    if not pictures:
        return ""
    return (
        f'<div class="faces">{pictures}</div><p class="soft-text">The test faces that the forest '
        "was surest of and wrong about, or whose label is. They are pictures of people: pass this "
        "page on only as you may pass on the data set.</p>"
    )


def _picture(pixels: NDArray[np.uint8], said: str) -> str:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "png", optimize=True)
    content = base64.b64encode(packed.getvalue()).decode("ascii")
    height, width = pixels.shape
    return (
        f'<figure><img src="data:image/png;base64,{content}" alt="A face: {escape(said)}" '
        f'width="{width}" height="{height}"><figcaption>{escape(said)}</figcaption></figure>'
    )
