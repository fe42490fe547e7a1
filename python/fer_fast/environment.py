"""The machine, its user and the installation: CPUs, the home folder, packages and their install."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath

from fer_fast.errors import ParameterError

PACKAGES = ("fer-fast", "numpy", "scikit-learn", "onnx")
"""What every installation needs."""

TRAIN_PACKAGES = ("tensorflow", "keras", "tf2onnx", "imbalanced-learn", "h5py")
"""What the extra ``train`` adds."""

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""Two distributions of one package, of which exactly one may be there."""

PIP = f"{sys.executable} -m pip"

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_cpus() -> int:
    """Return how many CPUs this process may keep busy.

    That is the least of the CPUs of the machine, those of the process' affinity, and the quotas of
    its control group and of those around it, which are what ``docker run --cpus 2``, systemd and
    Slurm set; a quota of a part counts whole.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min([cpus, *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the CPUs' worth of time that each control group of this process has per period."""
    try:
        memberships = _MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for membership in memberships:
        # The second version of control groups names no controllers.
        _, controllers, path = membership.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CGROUPS / "cpu" if controllers else _CGROUPS
        # Inside a container the path may be the host's, of which nothing but the root is there.
        group = PurePosixPath(path.lstrip("/"))
        for folder in (group, *group.parents):
            quota = _quota(root / folder)
            if quota is not None:
                yield quota


def _quota(group: Path) -> float | None:
    """Return a control group's quota; None: it has none."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        granted = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return granted if granted > 0 else None


def user_path(name: str | Path) -> Path:
    """Return the path of a name that a person typed, ``~`` being the home folder.

    Raises
    ------
    ParameterError
        If it is empty, as a variable of a shell is that nobody has set, or holds a character that
        no path has, or there is no such home folder.
    """
    if not str(name) or "\0" in str(name):
        raise ParameterError(f"{str(name)!r} is no path", hint="name a file or folder")
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


def child_environment() -> dict[str, str]:
    """Return the variables of this process' environment that a Python child is to have.

    An empty part of ``PYTHONPATH`` would put the folder where the user stands on its path, and a
    warning that some package gives is no failure of what it was started for. ONNX Runtime reports
    its use to its maker unless it is told not to.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    path = os.pathsep.join(filter(None, kept.get("PYTHONPATH", "").split(os.pathsep)))
    return kept | {"PYTHONPATH": path, "ORT_DISABLE_TELEMETRY": "1"}


_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What the linear algebra beneath NumPy, SciPy and TensorFlow reads when it is loaded."""


def thread_variables(jobs: int) -> dict[str, str]:
    """Return the variables that keep libraries to `jobs` threads, or to fewer that are set."""
    return {name: str(_fewer(os.environ.get(name, ""), max(1, jobs))) for name in _POOLS}


def _fewer(asked: str, jobs: int) -> int:
    return min(int(asked), jobs) if asked.isdecimal() and int(asked) else jobs


def limit_threads(jobs: int) -> None:
    """Keep libraries that this process loads from now on to `jobs` threads."""
    os.environ.update(thread_variables(jobs))
