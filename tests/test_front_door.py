"""`import fer_fast` costs next to nothing, and everything public is a name there."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fer_fast

HEAVY = ("numpy", "scipy", "sklearn", "pandas", "onnx", "onnxruntime", "tensorflow", "PIL", "skops")
COMMANDS = (
    *("pipeline", "extract", "export", "audit", "doctor"),
    *("predict", "evaluate", "model", "serve"),
)


def loaded_by(statements: str) -> list[str]:
    """Return which of the heavy packages a fresh interpreter has after some statements."""
    script = (
        f"import contextlib, io, json, sys\nwith contextlib.redirect_stdout(io.StringIO()):\n"
        f"    {statements}\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(found.stdout)


def test_an_import_brings_nothing_heavy() -> None:
    assert loaded_by("import fer_fast; dir(fer_fast); fer_fast.__version__") == []


@pytest.mark.parametrize(
    "arguments", [[], *([command] for command in COMMANDS)], ids=lambda a: " ".join(a) or "none"
)
def test_help_brings_nothing_heavy(arguments: list[str]) -> None:
    call = f"from fer_fast.cli.main import main; status = main({[*arguments, '--help']!r})"
    assert loaded_by(f"{call}; assert status == 0, status") == []


def test_a_mistyped_option_is_refused_without_anything_heavy() -> None:
    call = "from fer_fast.cli.main import main; status = main(['pipeline', '--q0', '2'])"
    assert loaded_by(f"{call}; assert status == 2, status") == []


@pytest.mark.parametrize("name", fer_fast.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(fer_fast, name) is getattr(fer_fast, name)
    assert name in dir(fer_fast)


def test_a_star_import_brings_every_public_name() -> None:
    names: dict[str, object] = {}
    exec("from fer_fast import *", names)
    assert set(fer_fast.__all__) <= names.keys()


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'fer_fast' has no attribute 'AntColony'"):
        _ = fer_fast.AntColony


def test_type_checkers_see_the_names_that_python_sees() -> None:
    tree = ast.parse(Path(fer_fast.__file__).read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    imported = {
        (alias.name, node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == set(fer_fast._HOMES.items())
    assert sorted(fer_fast._HOMES) == fer_fast.__all__
