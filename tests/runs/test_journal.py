"""The journal of a run is told from that of any other by what decides its search."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import DataError
from fer_fast.runs.journal import evidence, run_journal
from fer_fast.settings import Settings

ID = "20260101T000000-00000000"
SETTINGS = Settings(seed=3)
GIVEN = {"data": "d", "features": "f", "desirability": "e"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the journal of a run that has judged one subset."""
    with closing(run_journal(tmp_path / "evaluations.jsonl", ID, SETTINGS)) as journal:
        journal.begin(GIVEN)
        journal.add(0, 0, np.arange(3), 0.5, seconds=1.0, elapsed=1.0)
    return journal.path


def test_its_header_says_whose_it_is_and_what_decides(path: Path) -> None:
    header = json.loads(path.read_text().splitlines()[0])
    assert header["run_id"] == ID
    assert header["settings"]["seed"] == 3
    assert GIVEN.items() <= header.items()
    assert {"fer-fast", "numpy", "scikit-learn"} <= header["versions"].keys()


@pytest.mark.parametrize(
    ("run_id", "settings", "difference"),
    [
        (ID, Settings(seed=4), "seed was 3 and is 4: .* another --out"),
        (ID, Settings(seed=3, max_features=9), "max_features was unset and is 9"),
        (ID.replace("2026", "2027"), SETTINGS, f"run_id was {ID} and is"),
    ],
)
def test_another_run_is_refused_with_the_difference(
    path: Path, run_id: str, settings: Settings, difference: str
) -> None:
    with pytest.raises(DataError, match=difference):
        run_journal(path, run_id, settings)


def test_paths_may_change_as_long_as_the_digests_do_not(path: Path) -> None:
    moved = replace(SETTINGS, data=Path("/elsewhere/faces.csv"), jobs=3, out=path.parent)
    with closing(run_journal(path, ID, moved)) as journal:
        journal.begin(GIVEN)
        assert len(journal) == 1


def test_the_digests_tell_features_apart() -> None:
    X, F = np.ones((3, 2), np.float32), np.ones(2)
    other = X.copy()
    other[2, 1] = np.nextafter(np.float32(1), np.float32(2))
    assert evidence("d", X, F) == evidence("d", X.copy(), F.copy())
    assert evidence("d", X, F) != evidence("d", other, F)
    assert evidence("d", X, F) != evidence("d", X, F * 2)
