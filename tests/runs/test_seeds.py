"""Runs that differ by their seed alone say together what each says alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer_fast.errors import ParameterError
from fer_fast.runs.compare import mean_over_seeds, selection_stability
from fer_fast.runs.folder import RunFolder
from fer_fast.runs.record import read_record
from fer_fast.runs.seeds import SeedsFolder, seeds_document
from fer_fast.settings import Settings, read_config

WriteRun = Callable[..., Path]


def test_the_document_holds_means_the_stability_and_each_seed(write_run: WriteRun) -> None:
    runs = [read_record(write_run(f"r{seed}", seed=seed)) for seed in range(3)]
    document = seeds_document([run.metrics for run in runs])
    (chosen,) = [
        one["score"]
        for one in document["summary"]
        if (one["method"], one["rows"], one["measure"]) == ("chosen", "test", "accuracy")
    ]
    accuracies = [run.metrics["test"]["accuracy"] for run in runs]
    expected = mean_over_seeds(accuracies)
    assert chosen == {"mean": expected.mean, "half_width": expected.half_width}
    assert document["stability"] == selection_stability(runs)
    assert [one["seed"] for one in document["seeds"]] == [0, 1, 2]
    assert [one["run_id"] for one in document["seeds"]] == [run.run_id for run in runs]
    shown = [one["scores"]["chosen"]["test"]["accuracy"] for one in document["seeds"]]
    np.testing.assert_array_equal(shown, accuracies)
    others = [one["scores"]["k_best"]["test_deduplicated"]["f1_macro"] for one in document["seeds"]]
    assert others == [
        run.metrics["baselines"]["k_best"]["test_deduplicated"]["f1_macro"] for run in runs
    ]


def test_selections_of_other_features_have_no_stability(write_run: WriteRun) -> None:
    documents = [read_record(write_run(f"r{seed}", seed=seed)).metrics for seed in range(2)]
    documents[1]["features"]["total"] = 6000
    assert seeds_document(documents)["stability"] is None


def test_a_folder_of_seeds_is_found_again_as_it_was_begun(tmp_path: Path) -> None:
    assert SeedsFolder.find(tmp_path / "nowhere") is None
    begun = SeedsFolder(tmp_path, 3)
    begun.begin(Settings(seed=7, ants=5))
    found = SeedsFolder.find(tmp_path)
    assert found == begun
    assert read_config(found.config)["ants"] == 5
    names = [found.run_folder(seed).run_id for seed in (7, 8, 9)]
    assert len(set(names)) == 3
    assert names == [begun.run_folder(seed).run_id for seed in (7, 8, 9)]


def test_runs_of_earlier_seeds_are_not_taken_for_these(tmp_path: Path) -> None:
    earlier, now = SeedsFolder(tmp_path, 2), SeedsFolder(tmp_path, 2)
    folder = earlier.run_folder(0)
    folder.create()
    folder.begin(Settings())
    for name in RunFolder.RESULTS:
        (folder.path / name).write_text("{}")
    assert earlier.run_folder(0).is_complete
    assert not now.run_folder(0).is_complete
    now.run_folder(0).begin(Settings())
    assert {path.name for path in folder.path.iterdir()} == {
        "config.toml",
        f"previous-{folder.run_id}",
    }


def test_what_earlier_seeds_said_together_does_not_stay(tmp_path: Path) -> None:
    (tmp_path / "seeds.json").write_text("{}")
    SeedsFolder(tmp_path, 2).begin(Settings())
    assert not (tmp_path / "seeds.json").exists()


def test_the_folder_of_a_run_is_none_of_seeds(write_run: WriteRun) -> None:
    path = write_run()
    with pytest.raises(ParameterError, match="is the folder of a run"):
        SeedsFolder(path, 2).begin(Settings())
    assert SeedsFolder.find(path) is None


def test_two_processes_do_not_share_a_folder_of_seeds(tmp_path: Path) -> None:
    with SeedsFolder(tmp_path, 2).owned():
        second = SeedsFolder(tmp_path, 2).owned()
        with pytest.raises(ParameterError, match="another fer-fast is running"), second:
            pass


def test_the_summary_is_json_with_the_name_of_its_run(write_run: WriteRun, tmp_path: Path) -> None:
    documents = [read_record(write_run(f"r{seed}", seed=seed)).metrics for seed in range(2)]
    folder = SeedsFolder(tmp_path / "seeds", 2)
    folder.save(documents)
    document = json.loads(folder.summary.read_text())
    assert document["run_id"] == folder.run_id
    assert document["format"] == "fer-fast seeds"
