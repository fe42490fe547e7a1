"""What a release says of itself in several files is the same in all of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import fer_fast

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]


def test_every_file_names_the_same_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {WORKSPACE['version']}\n" in citation
    assert fer_fast.__version__ == WORKSPACE["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(WORKSPACE['version'])}", changelog, re.MULTILINE)


def test_the_supported_pythons_are_those_that_are_tested() -> None:
    listed = [
        found[1]
        for line in PROJECT["project"]["classifiers"]
        if (found := re.search(r"Python :: (3\.\d+)$", line))
    ]
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert f"PYTHONS = {listed}".replace("'", '"') in noxfile
    first, last = (int(version.split(".")[1]) for version in (listed[0], listed[-1]))
    assert PROJECT["project"]["requires-python"] == f">=3.{first},<3.{last + 1}"


def test_actions_of_the_workflows_are_pinned_by_commit() -> None:
    used = [
        line.split("uses:")[1].strip()
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


def test_what_runs_before_a_commit_fetches_nothing() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (.+)", hooks)) == {"local"}
    assert set(re.findall(r"language: (.+)", hooks)) == {"system"}


def test_the_reference_has_every_public_name() -> None:
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^::: (\S+)$", page, re.MULTILINE))
    missing = {
        name for name, home in fer_fast._HOMES.items() if not {home, f"{home}.{name}"} & shown
    }
    assert missing == set()
