"""The machine, its user and the installation: CPUs, the home folder, packages and their install."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fer_fast.errors import ParameterError

PACKAGES = ("fer-fast", "numpy", "scikit-learn", "onnx")
"""What every installation needs."""

TRAIN_PACKAGES = ("tensorflow", "keras", "tf2onnx", "imbalanced-learn", "h5py")
"""What the extra ``train`` adds."""

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Two distributions of one package, of which exactly one may be there."""

PIP = f"{sys.executable} -m pip"

_CGROUP = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """Return how many CPUs this process may keep busy.

    That is the least of the CPUs of the machine, those of the process' affinity, and the quota of
    its control group, which is what ``docker run --cpus 2`` sets; a quota of a part counts whole.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = _cgroup_quota(_CGROUP)
    return cpus if quota is None else max(1, min(cpus, math.ceil(quota)))


def _cgroup_quota(root: Path) -> float | None:
    """Return the CPUs' worth of time that a control group grants per period; None: no limit."""
    try:
        if (root / "cpu.max").exists():
            quota, period = (root / "cpu.max").read_text().split()
        else:
            quota = (root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (root / "cpu" / "cpu.cfs_period_us").read_text()
        granted = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return granted if granted > 0 else None


def user_path(name: str | Path) -> Path:
    """Return the path of a name that a person typed, ``~`` being the home folder.

    Raises
    ------
    ParameterError
        If there is no such home folder.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise ParameterError(
            f"{name} starts in a home folder that does not exist here",
            hint="give the path in full, or set HOME",
        ) from error


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, by name."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def missing_modules(names: Iterable[str]) -> list[str]:
    """Return those modules that cannot be imported here."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def install_line(extra: str) -> str:
    """Return the line to type for one of the package's extras."""
    return f"{PIP} install 'fer-fast[{extra}]'"
