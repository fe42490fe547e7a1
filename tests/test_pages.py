"""Every Python and shell block of the README and of docs runs, and prints what the page says.

A page's blocks run in the order of the page, in one folder of made data, `made_data`. A Python
block is a program of its own; where a ``text`` block follows it, that is what it prints. A block
that cannot run everywhere says so in its title, which readers see: `NEEDS` has the titles there
are.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_fast.faces.synthetic.chance import Chance
from fer_fast.faces.synthetic.drawing import draw

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

NEEDS = {
    "sets up an environment": "it would change the environment that runs it",
    "needs a camera": "there is no camera, and a server does not end",
    "needs a GPU": "the machine has none",
    "needs a server": "none listens",
    "needs an hour": "the tests have minutes",
    "needs a cluster": "there is no scheduler, and one machine alone",
    "needs FER-2013": "FER_FAST_TEST_FER2013 does not name a local copy of FER-2013",
}
"""Why a block of that title is left out. With FER-2013 the blocks that need it run."""

BLOCK = re.compile(
    r"^```(?P<language>python|sh)(?: title=\"(?P<title>[^\"\n]*)\")?\n(?P<code>.*?)^```$"
    r"(?:\s*^```text\n(?P<output>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
FENCE = re.compile(r"^ *```(?P<language>[^\s`]+)", re.MULTILINE)
MADE_BY_BACKBONE = re.compile(r"fer-fast (?:pipeline|extract|export)")


@dataclass(frozen=True)
class Block:
    """A block of a page: its first line's number, its language, its title, code and output."""

    line: int
    language: str
    title: str | None
    code: str
    output: str | None


def blocks(markdown: str) -> list[Block]:
    """Return the Python and shell blocks of a page in their order."""
    return [
        Block(markdown.count("\n", 0, found.start()) + 1, *found.group(1, 2, 3, 4))
        for found in BLOCK.finditer(markdown)
    ]


def test_blocks_are_told_apart() -> None:
    markdown = (
        "```sh\nls\n```\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nAnd:\n\n"
        '```python title="needs a GPU"\nnever\n```\n\n```python\nx = 2\n```\nnot output:\n'
        "```text\n3\n```\n"
    )
    assert blocks(markdown) == [
        Block(1, "sh", None, "ls\n", None),
        Block(5, "python", None, "print(1)\n", "1\n"),
        Block(15, "python", "needs a GPU", "never\n", None),
        Block(19, "python", None, "x = 2\n", None),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_known_kind(page: Path) -> None:
    markdown = page.read_text(encoding="utf-8")
    languages = [found["language"] for found in FENCE.finditer(markdown)]
    assert set(languages) <= {"python", "sh", "text", "toml", "json"}
    assert not re.search(r"\n\n {4}[^ *-]", markdown), "indented code is not run: fence it"
    found = blocks(markdown)
    assert len(found) == sum(language in ("python", "sh") for language in languages)
    assert {block.title for block in found} - {None} <= NEEDS.keys()


def test_the_two_commands_stand_on_the_first_screen() -> None:
    top = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:24]
    for target in ("make run", "make test"):
        assert any(line.startswith(f"{target} ") for line in top)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md"])
def test_links_of_a_page_outside_the_site_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text) + re.findall(r'src="([^"]+)"', text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def write_picture(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def made_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the pages speak of: a photo, FER-2013's table, own classes."""
    folder = tmp_path_factory.mktemp("made")
    photo = Image.open(ROOT / "docs" / "drawn-face.png").convert("RGB")
    photo.save(folder / "photo.jpg", quality=95)
    (folder / "pictures").mkdir()
    for name in ("one.png", "two.png"):
        photo.save(folder / "pictures" / name)
    rows, own = ["emotion,pixels,Usage"], {3: "glad", 6: "plain"}
    faces = {"Training": 16, "PublicTest": 4, "PrivateTest": 4}
    for seed, (usage, n) in enumerate(faces.items()):
        labels = np.repeat(np.arange(7, dtype=np.uint8), n)
        for i, (label, pixels) in enumerate(zip(labels, draw(labels, Chance(seed)), strict=True)):
            rows.append(f"{label},{' '.join(map(str, pixels.ravel()))},{usage}")
            if label in own:
                part = "test" if usage == "PrivateTest" else "train"
                write_picture(pixels, folder / "my-faces" / part / own[label] / f"{usage}-{i}.png")
    (folder / "fer2013.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(
    page: Path, made_data: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = [block for block in blocks(page.read_text(encoding="utf-8")) if block.title is None]
    if any(MADE_BY_BACKBONE.search(block.code) for block in found):
        request.getfixturevalue("imagenet_model")
    shutil.copytree(made_data, tmp_path, dirs_exist_ok=True)
    for name in ("docs", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    for block in found:
        run(block, page, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_that_need_fer2013_run(page: Path, fer2013: Path, tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").symlink_to(fer2013)
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.title == "needs FER-2013":
            run(block, page, tmp_path)


def run(block: Block, page: Path, folder: Path) -> None:
    """Run a block in a folder, and compare what it prints."""
    place = f"{page.name}:{block.line}"
    # Processes that a program starts import it anew: it must be a file.
    is_program = block.language == "python" and "__main__" in block.code
    if block.language == "python" and not is_program:
        printed = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(block.code, place, "exec"), {"__name__": "__main__"})
        assert block.output is None or printed.getvalue() == block.output, place
        return
    command = ["bash", "-euo", "pipefail", "-c", block.code]
    if is_program:
        program = folder / "program.py"
        program.write_text(block.code, encoding="utf-8")
        command = [sys.executable, str(program)]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ended = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, f"{place}\n{ended.stdout}\n{ended.stderr}"
    assert block.output is None or ended.stdout == block.output, place
