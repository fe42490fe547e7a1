"""The frozen backbone: weights, ONNX export, device, feature extraction."""

from fer_fast.backbone.config import BackboneConfig
from fer_fast.backbone.devices import require_cuda
from fer_fast.backbone.diagnosis import Check, diagnose
from fer_fast.backbone.export import (
    cached_model,
    child_failure,
    export_model,
    installed_maker,
    require_exporter,
)
from fer_fast.backbone.features import cached_features
from fer_fast.backbone.session import Session, open_session
from fer_fast.backbone.weights import Weights, resolve_weights

__all__ = [
    "BackboneConfig",
    "Check",
    "Session",
    "Weights",
    "cached_features",
    "cached_model",
    "child_failure",
    "diagnose",
    "export_model",
    "installed_maker",
    "open_session",
    "require_cuda",
    "require_exporter",
    "resolve_weights",
]
