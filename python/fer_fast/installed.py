"""Which of the packages that decide a result are installed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "fer-fast",
    "numpy",
    "scikit-learn",
    "imbalanced-learn",
    "onnx",
    "tensorflow",
    "keras",
    "tf2onnx",
)

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Two distributions of one package, of which exactly one may be there."""


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, by name."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
