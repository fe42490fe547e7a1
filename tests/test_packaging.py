"""What the wheel can do beside Python alone: the extra `train` is for those who train.

The wheel is built for these tests, or is the one that FER_FAST_TEST_WHEEL names. It is installed
and used where PATH leads to that environment's own programs and no others: to no compiler, to no
Rust.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The first test waits for a compiler and an index.
pytestmark = pytest.mark.timeout(1800)


def _run(
    python: Path, *arguments: str, cwd: Path, timeout: float = 900, **variables: str
) -> subprocess.CompletedProcess[str]:
    # Neither the repository nor the environment of these tests may lend it a package.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if named := os.environ.get("FER_FAST_TEST_WHEEL"):
        return Path(named)
    folder = tmp_path_factory.mktemp("wheel")
    command = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    built = _run(Path(sys.executable), *command, cwd=folder)
    if "Could not find a version that satisfies the requirement maturin" in built.stderr:
        pytest.skip("no package index is reachable to get the build backend from")
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def _alone(
    core: Path, *arguments: str, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run an environment's Python where PATH leads to that environment alone."""
    return _run(core, *arguments, cwd=cwd, PATH=str(core.parent), **variables)


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment that has the wheel without extras."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    installed = _alone(python, "-m", "pip", "install", "--quiet", str(wheel), cwd=folder)
    if "Could not find a version that satisfies" in installed.stderr:
        pytest.skip("no package index is reachable to get the dependencies from")
    assert installed.returncode == 0, installed.stderr
    return python


def test_the_core_brings_no_deep_learning_framework(core: Path, tmp_path: Path) -> None:
    listed = _alone(core, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout.lower()
    assert "fer-fast==" in listed
    for package in ("tensorflow", "keras", "tf2onnx", "imbalanced", "h5py"):
        assert package not in listed


def test_the_core_chooses_columns_of_iris(core: Path, tmp_path: Path) -> None:
    script = (
        "from sklearn.datasets import load_iris\n"
        "from sklearn.naive_bayes import GaussianNB\n"
        "from fer_fast import AntColonySelector\n"
        "X, y = load_iris(return_X_y=True)\n"
        "selector = AntColonySelector(GaussianNB(), n_ants=6, n_iterations=3, random_state=0)\n"
        "print(selector.fit(X, y).support_.sum(), selector.transform(X).shape[0])\n"
    )
    child = _alone(core, "-c", script, cwd=tmp_path)
    assert child.returncode == 0, child.stderr
    chosen, rows = map(int, child.stdout.split())
    assert 1 <= chosen <= 4
    assert rows == 150


def test_the_core_grows_a_forest_and_writes_it_as_onnx(core: Path, tmp_path: Path) -> None:
    script = (
        "from sklearn.datasets import load_iris\n"
        "from fer_fast import HistForestClassifier\n"
        "from fer_fast.graph.trees import to_onnx\n"
        "X, y = load_iris(return_X_y=True)\n"
        "forest = HistForestClassifier(20, random_state=0).fit(X, y)\n"
        "print(forest.score(X, y) > 0.9, to_onnx(forest).ByteSize() > 0)\n"
    )
    child = _alone(core, "-c", script, cwd=tmp_path)
    assert child.stdout.split() == ["True", "True"], child.stderr


def test_the_core_recognises_a_face(core: Path, tmp_path: Path) -> None:
    picture = str(ROOT / "docs" / "drawn-face.png")
    child = _alone(core, "-m", "fer_fast", "predict", picture, "--format", "csv", cwd=tmp_path)
    assert child.returncode == 0, child.stderr
    assert ",surprise," in child.stdout
    child = _alone(core, "-m", "fer_fast", "model", cwd=tmp_path)
    assert child.stdout.startswith("# The bundled expression model"), child.stderr


def test_the_core_shows_its_help(core: Path, tmp_path: Path) -> None:
    child = _alone(core, "-m", "fer_fast", "--help", cwd=tmp_path)
    assert (child.returncode, "pipeline" in child.stdout) == (0, True), child.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["pipeline"],
        ["pipeline", "--balance", "none"],
        ["export"],
        ["extract", "--head", "dense"],
        ["audit"],
    ],
)
def test_a_command_that_needs_more_says_the_line_to_type(
    core: Path, tmp_path: Path, command: list[str]
) -> None:
    child = _alone(
        core, "-m", "fer_fast", *command, cwd=tmp_path, FER_FAST_CACHE=str(tmp_path / "cache")
    )
    assert child.returncode == 2, child.stderr
    assert "Traceback" not in child.stderr
    assert "pip install 'fer-fast[train]'" in child.stderr


def test_the_doctor_of_the_core_says_the_same(core: Path, tmp_path: Path) -> None:
    child = _alone(core, "-m", "fer_fast", "doctor", cwd=tmp_path, COLUMNS="250")
    assert child.returncode in (0, 1), child.stderr
    assert "pip install 'fer-fast[train]'" in child.stdout
