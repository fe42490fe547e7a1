"""Running a program that needs TensorFlow, or saying what it lacks.

TensorFlow costs seconds, a gigabyte and log lines that no setting silences, so whatever needs it
is a program of its own with which all three end: ``python -m MODULE ARGUMENTS``.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from fer_fast.environment import (
    child_environment,
    install_line,
    missing_modules,
    thread_variables,
)
from fer_fast.errors import FerFastError

_MODULES = ("tensorflow", "keras", "tf2onnx", "h5py")


def require_keras() -> None:
    """Raise `FerFastError` if a package is missing that only exporting and training need."""
    if missing := missing_modules(_MODULES):
        raise FerFastError(
            f"exporting the backbone or training its head needs {', '.join(missing)}, not "
            f"installed here: run `{install_line('train')}`"
        )


def installed_maker(package: str) -> str | None:
    """Return the package's name and version, None where exporting or training is impossible."""
    return None if missing_modules(_MODULES) else f"{package}-{version(package)}"


def run_keras(
    task: str,
    module: str,
    arguments: list[str],
    *,
    folder: Path,
    jobs: int,
    hear: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a program of this package that imports TensorFlow, and wait for its end.

    Parameters
    ----------
    task : str
        What it does, for people.
    module : str
        Its full name.
    arguments : list of str
    folder : Path
        Of the caller's alone; the program's log and Keras' home are in it.
    jobs : int
        Threads that it may keep busy.
    hear : callable
        Given each line that it prints, as it comes.

    Raises
    ------
    FerFastError
        If a package is missing, or the program fails or is killed. What it wrote to standard error
        is the exception's note.
    """
    require_keras()
    # `-P` keeps the folder where the user stands off the path: a numpy.py there is none of ours.
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = _environment(folder / "keras", jobs)
    with (
        (folder / "log.txt").open("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as child,
    ):
        try:
            assert child.stdout is not None
            for line in child.stdout:
                hear(line)
        except BaseException:
            child.kill()
            raise
        if child.wait() != 0:
            log.seek(0)
            raise _failure(task, child.returncode, log.read())


def _environment(keras_home: Path, jobs: int) -> dict[str, str]:
    """Return the child's environment: nothing of the user's Keras, no more threads than asked."""
    ours = {
        name: value
        for name, value in child_environment().items()
        if not name.startswith("KERAS_") and name != "TF_USE_LEGACY_KERAS"
    }
    pools = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return (
        ours
        | {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": str(keras_home)}
        | dict.fromkeys(pools, str(jobs))
        | thread_variables(jobs)
    )


def _failure(task: str, status: int, log: str) -> FerFastError:
    """Return what to raise; a negative status is the signal that ended the child."""
    if status < 0:
        return FerFastError(
            f"{task} was ended by {signal.Signals(-status).name}, mostly for lack of memory: free "
            "some memory or choose a smaller --size"
        )
    last_line = log.strip().rpartition("\n")[2] or f"exit status {status}"
    failure = FerFastError(
        f"{task} failed ({last_line}): mend or reinstall TensorFlow, Keras and tf2onnx where they "
        "are the cause, or see all that they said with --debug"
    )
    failure.add_note(log)
    return failure
