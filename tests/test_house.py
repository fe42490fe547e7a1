"""The house in order: no file and no function is too long to read.

Which room may import which is the contract in ``pyproject.toml``, which ``make lint`` holds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST_FILE, LONGEST_FUNCTION = 500, 60
FOLDERS = ("python", "tests", "bench", "fuzz")
PYTHON = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
RUST = sorted((ROOT / "rust").rglob("*.rs"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the name of every function, and how many lines it has beside its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            docstring = 0
            if ast.get_docstring(node) is not None:
                docstring = (first.end_lineno or 0) - first.lineno + 1
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", [*PYTHON, *RUST], ids=name_of)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_no_function_is_too_long(path: Path) -> None:
    found = functions(ast.parse(path.read_text(encoding="utf-8")))
    assert {name: n for name, n in found if n > LONGEST_FUNCTION} == {}
