"""A search that is told its own evaluations again goes on as if it had never stopped."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fer_fast import Colony, EvaluationCut
from fer_fast.errors import DataError
from fer_fast.selection.fitness import ForestFitness
from fer_fast.selection.journal import Journal, JournalledFitness, computed_by

GIVEN = {"data": "data", "features": "features"}
HEADER = {"settings": {"seed": 3}, **computed_by(["numpy", "scipy"])}

Judgement = float | tuple[float, NDArray[np.float64]]


class Counting:
    """A fitness that counts its evaluations, and after so many cuts what comes."""

    deadline: float | None = None

    def __init__(self, fitness: ForestFitness, most: int = 1_000_000) -> None:
        self._fitness = fitness
        self._most = most
        self._lock = threading.Lock()
        self.evaluations = 0

    def next_iteration(self, credited: Any) -> None:
        self._fitness.next_iteration(credited)

    def __call__(self, subset: NDArray[np.int64]) -> Judgement:
        with self._lock:
            if self.evaluations >= self._most:
                raise EvaluationCut
            self.evaluations += 1
        return self._fitness(subset)


MakeFitness = Callable[[], ForestFitness]


@pytest.fixture(scope="module", params=[None, "residual", "gain"])
def make_fitness(request: pytest.FixtureRequest) -> MakeFitness:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 120)
    X = rng.normal(size=(120, 30)).astype(np.float32)
    X[:, :6] += y[:, None] * rng.random(6)
    return lambda: ForestFitness(
        X, y, scoring="brier", n_estimators=8, random_state=1, credit=request.param
    )


@contextmanager
def journal(
    path: Path, settings: dict[str, Any] = HEADER["settings"], given: dict[str, str] = GIVEN
) -> Iterator[Journal]:
    header = HEADER | {"settings": settings}
    with closing(Journal(path, header, elsewhere="give another file")) as made:
        made.begin(given)
        yield made


def search(fitness: Any, *, n_jobs: int = 1, credit: bool) -> Colony:
    colony = Colony(np.ones(30), n_ants=6, deposit="credit" if credit else "best", seed=7)
    # A budget is what lets an evaluation be cut.
    colony.run(fitness, n_iterations=5, n_jobs=n_jobs, time_budget=1e6)
    return colony


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("after", [0, 1, 6, 9, 17, 100])
def test_a_search_cut_anywhere_ends_as_one_that_was_not(
    make_fitness: MakeFitness, after: int, n_jobs: int, tmp_path: Path
) -> None:
    credit = make_fitness().credit is not None
    whole = search(whole_fitness := Counting(make_fitness()), credit=credit)
    path = tmp_path / "evaluations.jsonl"
    with journal(path) as first:
        cut = Counting(make_fitness(), after)
        search(JournalledFitness(cut, first), n_jobs=n_jobs, credit=credit)
    with journal(path) as second:
        assert len(second) == cut.evaluations
        rest = Counting(make_fitness())
        resumed = search(JournalledFitness(rest, second), n_jobs=n_jobs, credit=credit)
    assert resumed.to_json() == whole.to_json()
    assert cut.evaluations + rest.evaluations == whole_fitness.evaluations


def test_a_search_that_had_ended_computes_nothing_again(
    make_fitness: MakeFitness, tmp_path: Path
) -> None:
    credit = make_fitness().credit is not None
    for number in range(2):
        with journal(tmp_path / "evaluations.jsonl") as one:
            fitness = Counting(make_fitness())
            journalled = JournalledFitness(fitness, one)
            search(journalled, credit=credit)
            journalled.end("iterations")
        assert (fitness.evaluations == 0) == (number == 1)


def write(path: Path, n: int = 5) -> list[bytes]:
    """Write a journal of `n` evaluations; return its lines."""
    with journal(path) as one:
        for number in range(n):
            judgement = number / 7, np.linspace(0, 1 / 3, number + 1)
            one.add(0, 0, np.arange(number + 1), judgement, seconds=0.5, elapsed=1.0)
    return path.read_bytes().splitlines(keepends=True)


def test_a_journal_says_what_was_said_of_each_subset(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    header, *lines = map(json.loads, write(path))
    assert header["settings"]["seed"] == 3
    assert header["data"] == "data"
    assert [line["size"] for line in lines] == [1, 2, 3, 4, 5]
    with journal(path) as again:
        entry = again.find(0, 0, np.arange(4))
        assert entry is not None
        score, credit = entry.judgement
        assert score == 3 / 7
        np.testing.assert_array_equal(credit, np.linspace(0, 1 / 3, 4))
        assert again.find(0, 1, np.arange(4)) is None
        assert again.find(1, 0, np.arange(4)) is None
        assert again.find(0, 0, np.arange(1, 4)) is None


@given(
    cut=st.integers(0, 3000),
    tail=st.sampled_from(
        [
            *(b"", b"\0" * 40, b"{", b"\xff\n", b"null\n", b'{"iteration": 0}\n'),
            b'{"stopped_by": "iterations", "search": Infinity}\n',
        ]
    ),
)
def test_whatever_a_loss_of_power_leaves_is_read_as_far_as_it_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "evaluations.jsonl"
    lines = write(path)
    whole = b"".join(lines)
    path.write_bytes(whole[:cut] + tail)
    kept = 0
    while kept < len(lines) and sum(map(len, lines[: kept + 1])) <= cut:
        kept += 1
    with journal(path) as again:
        assert len(again) == max(0, kept - 1)
    # What was torn is gone, and what comes next is a line of its own.
    assert path.read_bytes() == b"".join(lines[: max(1, kept)])


@given(line=st.binary(max_size=300))
def test_no_line_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "evaluations.jsonl"
    lines = write(path, 2)
    path.write_bytes(b"".join(lines) + line)
    with journal(path) as again:
        assert len(again) == 2


@pytest.mark.parametrize(
    ("settings", "given", "difference"),
    [
        ({"seed": 4}, GIVEN, "seed was 3 and is 4"),
        ({"seed": 3, "most": 9}, GIVEN, "most was unset and is 9"),
        ({"seed": 3}, GIVEN | {"data": "other"}, "data was data and is other"),
        ({"seed": 3}, GIVEN | {"features": "f" * 64}, "features was features and is ffffffffffff…"),
    ],
)
def test_another_search_is_refused_with_the_difference(
    tmp_path: Path, settings: dict[str, Any], given: dict[str, str], difference: str
) -> None:
    path = tmp_path / "evaluations.jsonl"
    before = write(path)
    with pytest.raises(DataError, match=difference), journal(path, settings, given):
        pass
    assert path.read_bytes().splitlines(keepends=True) == before


def test_another_release_is_refused_with_the_difference(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    header, *lines = write(path)
    document = json.loads(header)
    document["versions"]["numpy"] = "1.0"
    del document["versions"]["scipy"]
    path.write_bytes(json.dumps(document).encode() + b"\n" + b"".join(lines))
    said = r"numpy was 1\.0 and is .*; scipy was unset and is"
    with pytest.raises(DataError, match=said), journal(path):
        pass
    # A release is not all: whoever builds the package may have changed it.
    document = json.loads(header) | {"compiled core": "0" * 64}
    path.write_bytes(json.dumps(document).encode() + b"\n" + b"".join(lines))
    with pytest.raises(DataError, match="compiled core was 000000000000… and is"), journal(path):
        pass


def test_searches_in_a_row_are_kept_apart(make_fitness: MakeFitness, tmp_path: Path) -> None:
    credit = make_fitness().credit is not None
    for computed in (True, False):
        with journal(tmp_path / "evaluations.jsonl") as one:
            for number in range(2):
                fitness = Counting(make_fitness())
                search(JournalledFitness(fitness, one, search=number), credit=credit)
                assert (fitness.evaluations > 0) == computed


def test_what_is_not_kept_is_asked_for_again(make_fitness: MakeFitness, tmp_path: Path) -> None:
    counts = []
    for _ in range(2):
        with journal(tmp_path / "evaluations.jsonl") as one:
            fitness = Counting(make_fitness())
            journalled = JournalledFitness(fitness, one, keeps=lambda subset: len(subset) > 3)
            journalled.next_iteration([])
            for size in (2, 3, 4, 5):
                journalled(np.arange(size))
            counts.append(fitness.evaluations)
    assert counts == [4, 2]


def test_what_was_spent_of_a_time_budget_is_spent(
    make_fitness: MakeFitness, tmp_path: Path
) -> None:
    path = tmp_path / "evaluations.jsonl"
    header, *lines = write(path, 1)
    entry = json.loads(lines[0]) | {"elapsed": 40.0}
    path.write_bytes(header + json.dumps(entry).encode() + b"\n")
    with journal(path) as again:
        journalled = JournalledFitness(make_fitness(), again)
        assert journalled.left_of(100.0) == 60.0
        assert journalled.left_of(30.0) == 0.0
        assert journalled.elapsed() == 0.0
        journalled.next_iteration([])
        journalled(np.arange(1))
        assert journalled.elapsed() == 40.0
        journalled.end("time_budget")
    with journal(path) as ended:
        journalled = JournalledFitness(make_fitness(), ended)
        assert journalled.left_of(100.0) == 0.0
        journalled.deadline = 1e12
        journalled.next_iteration([])
        journalled(np.arange(1))
        assert journalled.elapsed() == math.inf
        with pytest.raises(EvaluationCut):
            journalled(np.arange(3))
