"""What a run found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fer_fast.classifier.calibration import CalibrationReport
from fer_fast.classifier.scores import HeldOutScores
from fer_fast.faces.dataset import FaceDataset
from fer_fast.forest.subset import SubsetClassifier
from fer_fast.runs.predictions import TestPredictions
from fer_fast.selection.search import Search
from fer_fast.settings import Settings


@dataclass(frozen=True)
class RunResult:
    """What a run of the pipeline found.

    Attributes
    ----------
    settings : Settings
    dataset : FaceDataset
    device : str
        The device that computed the features.
    model : Path
        The ONNX file of backbone and head.
    model_digest : str
        Its SHA-256, in hexadecimal.
    channels : int or None
        Features of each cell of the backbone's grid, which stand together; None with a head.
    classifier : SubsetClassifier
        The final forest on the colony's subset.
    scores : HeldOutScores
        Its scores on PrivateTest.
    calibration : CalibrationReport
        What makes its probabilities mean what they say, fitted on PublicTest.
    baselines : dict of str to HeldOutScores
        ``all_features``, and as many features as the colony chose: ``k_best``, the best by ANOVA F,
        and ``random``, drawn by chance.
    search : Search
        What the colony did and chose.
    predictions : TestPredictions
        What the forests say of each test face.
    fitted_counts : dict of str to int
        Rows of each class that the forests were fitted on, mirror images and synthetic rows
        included.
    warnings : tuple of str
        What the run had to warn of.
    timings : dict of str to float
        Seconds per stage.
    """

    settings: Settings
    dataset: FaceDataset
    device: str
    model: Path
    model_digest: str
    channels: int | None
    classifier: SubsetClassifier
    scores: HeldOutScores
    calibration: CalibrationReport
    baselines: dict[str, HeldOutScores]
    search: Search
    predictions: TestPredictions
    fitted_counts: dict[str, int]
    warnings: tuple[str, ...]
    timings: dict[str, float]
