"""Every program of examples/ runs to its end, and says what it was written to show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: object) -> str:
    """Run an example as a person would, and return what it prints."""
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_example_is_told_of_and_run() -> None:
    table = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    tests = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"| `{path.name}" in table
        assert f'run("{path.name}"' in tests


def test_the_ants_choose_pixels_of_digits() -> None:
    *scores, kept = run("selector_digits.py").splitlines()
    assert [line.rsplit(maxsplit=1)[0].strip() for line in scores][::2] == ["ants", "all pixels"]
    assert kept.startswith("the ants keep ")


def test_a_wide_matrix_gets_an_honest_score() -> None:
    first, *others = run("selector_wide.py").splitlines()
    assert "10" in first
    assert [line for line in others if line.startswith("on rows set aside: ")]


def test_both_forests_are_fitted() -> None:
    printed = run("forest_against_sklearn.py", 300, 40)
    assert printed.index("HistForestClassifier") < printed.index("RandomForestClassifier")


@pytest.mark.usefixtures("imagenet_model")
def test_folders_of_classes_become_a_model() -> None:
    assert "spots is said to be spots" in run("own_classes.py")


def test_a_cluster_chooses_what_one_machine_does() -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    workers, _, same = run("dask_run.py").splitlines()
    assert workers == "workers: 2"
    assert same.endswith(": True")


def test_metrics_become_a_table(tmp_path: Path) -> None:
    scores = {
        part: {"accuracy": accuracy, "f1_macro": 0.5}
        for part, accuracy in (("test", 0.625), ("test_deduplicated", 0.25))
    }
    features = {"total": 9, "selected": 4}
    metrics = scores | {"features": features, "baselines": {"all_features": scores}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    head, ants, every = run("metrics_to_dataframe.py", tmp_path).splitlines()
    assert head.split()[0] == "run"
    assert ants.split()[1:] == ["ants", "4", "0.625", "0.250", "0.500"]
    assert every.split()[1:] == ["all_features", "9", "0.625", "0.250", "0.500"]
