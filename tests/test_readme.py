"""Every Python block of the README runs, and prints what the README says.

A block is a program of its own. Where a ``text`` block follows it, that is what it prints. The
comment ``<!-- not run -->`` on the line above a block leaves it out.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(
    r"^(?P<left_out><!-- not run -->\n)?```python\n(?P<code>.*?)^```$"
    r"(?:\s*^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


def programs(markdown: str) -> list[tuple[str, str | None]]:
    """Return the code and the expected output of every block that is to be run."""
    blocks = BLOCK.finditer(markdown)
    return [(block["code"], block["output"]) for block in blocks if not block["left_out"]]


def test_blocks_are_told_apart() -> None:
    markdown = (
        "```sh\nls\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nAnd:\n\n"
        "<!-- not run -->\n```python\nnever\n```\n\n```python\nx = 2\n```\nnot output:\n"
        "```text\n3\n```\n"
    )
    assert programs(markdown) == [("print(1)\n", "1\n"), ("x = 2\n", None)]


def test_the_readme_shows_python() -> None:
    assert programs(README.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("code", "output"), programs(README.read_text(encoding="utf-8")))
def test_a_block_of_the_readme_runs(
    code: str,
    output: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "docs").symlink_to(README.parent / "docs")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    if output is not None:
        assert capsys.readouterr().out == output
