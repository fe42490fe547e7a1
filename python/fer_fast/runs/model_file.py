"""The run's ``model.onnx``: backbone, head, chosen columns, forest and calibration in one file."""

from __future__ import annotations

from pathlib import Path

from fer_fast import __version__
from fer_fast.graph.cost import face_bytes
from fer_fast.graph.onefile import write_onefile
from fer_fast.graph.trees import to_onnx
from fer_fast.recognition.model import ModelInfo
from fer_fast.runs.result import RunResult

_PROTOCOL = "fitted on Training, decided {}, calibrated on PublicTest, scored on PrivateTest"
_DECIDED = {"out-of-bag": "out of bag", "public-test": "on PublicTest"}


def save_model(path: Path, result: RunResult, run_id: str) -> None:
    """Write the whole trained system, as `fer_fast.recognition.model` describes it.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    names = result.dataset.class_names
    forest = result.classifier.forest
    write_onefile(
        result.model,
        result.classifier.subset,
        to_onnx(forest, targets=forest.classes_.tolist(), n_targets=len(names)),
        model_info(result, run_id).to_metadata(),
        path,
        calibration=result.calibration.calibration,
    )


def model_info(result: RunResult, run_id: str) -> ModelInfo:
    """Return what the file says about itself."""
    scores = {"test": result.scores.test, "test_deduplicated": result.scores.test_deduplicated}
    measures = ("rows", "accuracy", "f1_macro")
    return ModelInfo(
        labels=result.dataset.class_names,
        version=__version__,
        run_id=run_id,
        data_digest=result.dataset.digest,
        backbone_digest=result.model_digest,
        parameters=result.settings.deciding(),
        calibration=result.calibration.as_dict(),
        scores={
            "protocol": _PROTOCOL.format(_DECIDED[result.settings.judges]),
            "data": result.dataset.label_set.title,
            "synthetic": result.dataset.synthetic,
            **{
                name: {measure: getattr(one, measure) for measure in measures}
                for name, one in scores.items()
            },
        },
        face_bytes=face_bytes(result.model),
    )
