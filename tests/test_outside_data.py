"""Whatever a file from outside holds, its reader takes it or refuses it in a sentence.

``fuzz/run.py`` feeds the same readers for longer, guided by coverage.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Reading these is done by libraries in C that are not ours, and in which a damaged file may find a
# fault that ends this process: they are fed in processes of their own, by `fuzz/run.py`.
IN_C = {"model", "weights"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_FAST_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", TARGETS)
def test_a_file_as_it_should_be_is_read(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    taken = [target.accepts(content, tmp_path) for content in target.seeds(tmp_path)]
    # The weights lack layers, and one picture has a white that nobody knows.
    assert any(taken) == (name != "weights")


@pytest.mark.filterwarnings("ignore:.*:UserWarning:PIL")
@pytest.mark.parametrize("name", sorted(TARGETS.keys() - IN_C))
# The same files each time: a fault that chance finds is to be found by a run of `fuzz/run.py`.
@settings(
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_other_file_is_read_or_refused(name: str, tmp_path: Path, seed: int) -> None:
    target, draw = TARGETS[name], random.Random(seed)
    content = draw.choice(_seeds(name, tmp_path))
    target.accepts(target.mutate(content, draw), tmp_path)


_made: dict[str, list[bytes]] = {}


def _seeds(name: str, folder: Path) -> list[bytes]:
    if name not in _made:
        _made[name] = TARGETS[name].seeds(folder)
    return _made[name]
