"""Fast, honest, reproducible feature selection on frozen CNN features.

The names below are the whole public surface; each is imported when it is first asked for, so that
`import fer_fast` costs next to nothing.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer_fast._core import Colony, Evaluation, EvaluationCut, EvaluationLost
    from fer_fast.errors import (
        DataError,
        DeviceError,
        FerFastError,
        OutputError,
        ParameterError,
        WeightsError,
        WorkersError,
    )
    from fer_fast.experiment import run_pipeline
    from fer_fast.faces.loading import load_faces
    from fer_fast.forest.hist_forest import HistForestClassifier
    from fer_fast.recognition.recognizer import Recognizer
    from fer_fast.selection.fitness import ForestFitness
    from fer_fast.selection.selector import AntColonySelector
    from fer_fast.selection.warning_types import (
        BlindJudgeWarning,
        PartialResultWarning,
        SimplerAnswerWarning,
        WorkerDiedWarning,
    )
    from fer_fast.settings import Settings

__version__ = version("fer-fast")

_HOMES = {
    "AntColonySelector": "fer_fast.selection.selector",
    "BlindJudgeWarning": "fer_fast.selection.warning_types",
    "Colony": "fer_fast._core",
    "DataError": "fer_fast.errors",
    "DeviceError": "fer_fast.errors",
    "Evaluation": "fer_fast._core",
    "EvaluationCut": "fer_fast._core",
    "EvaluationLost": "fer_fast._core",
    "FerFastError": "fer_fast.errors",
    "ForestFitness": "fer_fast.selection.fitness",
    "HistForestClassifier": "fer_fast.forest.hist_forest",
    "OutputError": "fer_fast.errors",
    "ParameterError": "fer_fast.errors",
    "PartialResultWarning": "fer_fast.selection.warning_types",
    "Recognizer": "fer_fast.recognition.recognizer",
    "Settings": "fer_fast.settings",
    "SimplerAnswerWarning": "fer_fast.selection.warning_types",
    "WeightsError": "fer_fast.errors",
    "WorkerDiedWarning": "fer_fast.selection.warning_types",
    "WorkersError": "fer_fast.errors",
    "load_faces": "fer_fast.faces.loading",
    "run_pipeline": "fer_fast.experiment",
}

__all__ = [
    "AntColonySelector",
    "BlindJudgeWarning",
    "Colony",
    "DataError",
    "DeviceError",
    "Evaluation",
    "EvaluationCut",
    "EvaluationLost",
    "FerFastError",
    "ForestFitness",
    "HistForestClassifier",
    "OutputError",
    "ParameterError",
    "PartialResultWarning",
    "Recognizer",
    "Settings",
    "SimplerAnswerWarning",
    "WeightsError",
    "WorkerDiedWarning",
    "WorkersError",
    "load_faces",
    "run_pipeline",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
