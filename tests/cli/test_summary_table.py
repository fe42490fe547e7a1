"""What is printed of a run, against what `metrics.json` says of it."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType
from sklearn.ensemble import RandomForestClassifier

from fer_fast.classifier.calibration import CalibrationReport, Temperature
from fer_fast.classifier.scores import HeldOutScores, score_held_out
from fer_fast.cli.tables.summary import _confusion_table, summary
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.labels import FER2013
from fer_fast.forest.subset import SubsetClassifier
from fer_fast.runs.metrics import metrics_document
from fer_fast.runs.predictions import TestPredictions
from fer_fast.runs.result import RunResult
from fer_fast.selection.search import Search
from fer_fast.settings import Settings


def _evaluation(seed: int) -> HeldOutScores:
    rng = np.random.default_rng(seed)
    y_true, y_pred = rng.integers(0, 7, (2, 3000))
    right = rng.random(3000) < 0.3
    return score_held_out(
        y_true, np.where(right, y_true, y_pred), rng.random(3000) < 0.2, FER2013.names
    )


@pytest.fixture
def result() -> RunResult:
    """Return a run no two of whose figures are the same by rule."""
    rng = np.random.default_rng(0)
    dataset = FaceDataset(
        np.zeros((9000, 48, 48), np.uint8),
        rng.choice(7, 9000, p=np.arange(1, 8) / 28).astype(np.uint8),
        rng.choice(np.array(list(Split), np.uint8), 9000, p=[0.5, 0.2, 0.3]),
        "drawn",
    )
    subset = np.arange(0, 4000, 3)
    return RunResult(
        settings=Settings(),
        dataset=dataset,
        device="cpu",
        model=Path("model.onnx"),
        model_digest="0" * 64,
        channels=None,
        classifier=SubsetClassifier(RandomForestClassifier(), subset, 5120),
        scores=_evaluation(1),
        calibration=CalibrationReport(Temperature(1.5, 1e-3), 0.21, 0.08),
        baselines={
            name: _evaluation(seed)
            for seed, name in enumerate(("all_features", "k_best", "random"), start=2)
        },
        search=Search(subset, 0.5, [], "iterations", np.ones(5120)),
        predictions=TestPredictions(
            *(np.zeros(3, kind) for kind in (np.int64, np.int64, bool, np.int64)),
            np.zeros((3, 7), np.float32),
            {},
        ),
        fitted_counts={},
        warnings=(),
        timings={"data": 1.26, "selection": 20.5, "baselines": 300.0},
    )


def _printed(renderable: RenderableType, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def _rows(text: str) -> dict[str, list[list[str]]]:
    """Return the cells of the rows below each title, by its first word."""
    title, tables = "", defaultdict(list)
    for line in text.splitlines():
        if line.startswith("│"):
            tables[title].append([cell.strip() for cell in line.strip("│").split("│")])
        elif named := re.match(r"(?:╭─ )?(\w+)", line):
            title = named[1]
    return tables


def test_every_printed_figure_is_the_one_in_the_file(result: RunResult) -> None:
    text = _printed(summary(result))
    tables, document = _rows(text), metrics_document(result)

    counts = document["data"]["counts"]
    assert tables["Faces"] == [
        [split, *(f"{n:,}" for n in by_label.values()), f"{sum(by_label.values()):,}"]
        for split, by_label in counts.items()
    ]
    assert sum(sum(by_label.values()) for by_label in counts.values()) == 9000

    selected, total = (document["features"][name] for name in ("selected", "total"))
    baselines = document["baselines"]
    measures = ("accuracy", "precision_weighted", "recall_weighted", "f1_weighted", "f1_macro")
    assert tables["PrivateTest"] == [
        [
            name,
            f"{k:,}",
            *(f"{s['test'][m]:.3f} | {s['test_deduplicated'][m]:.3f}" for m in measures),
        ]
        for name, k, s in (
            ("ant colony", selected, document),
            ("k best by F", selected, baselines["k_best"]),
            ("k at random", selected, baselines["random"]),
            ("all", total, baselines["all_features"]),
        )
    ]
    test, own = document["test"], document["test_deduplicated"]
    assert tables["Ant"] == [
        [name, *(f"{one[m]:.3f}" for m in ("precision", "recall", "f1")), f"{one['support']:,}"]
        for name, one in test["per_class"].items()
    ]
    assert tables["Confusion"] == [
        [name, *(f"{n:,}" for n in row)]
        for name, row in zip(FER2013.names, test["confusion"], strict=True)
    ]
    assert tables["Seconds"][:-1] == [[k, f"{s:.1f}"] for k, s in document["timings_s"].items()]
    assert tables["Seconds"][-1] == ["all", "321.8"]

    assert "1,334 of 5,120 features: " in text
    for scores in (test, own):
        assert f"accuracy {scores['accuracy']:.3f}, macro-F1 {scores['f1_macro']:.3f}" in text
    assert f"on {test['rows']:,} PrivateTest faces (cpu)" in text
    assert f"Without the {test['rows'] - own['rows']:,} faces" in text


def test_no_figure_is_broken_where_sixty_columns_are_all(result: RunResult) -> None:
    text = _printed(summary(result), 60)
    assert max(map(len, text.splitlines())) <= 60
    document = metrics_document(result)
    figures = re.findall(r"[\d.,]*\d", text)
    for counts in document["data"]["counts"].values():
        assert {f"{n:,}" for n in (*counts.values(), sum(counts.values()))} <= set(figures)
    for scores in (document, *document["baselines"].values()):
        for rows in ("test", "test_deduplicated"):
            for measure in ("accuracy", "precision_weighted", "recall_weighted", "f1_macro"):
                assert f"{scores[rows][measure]:.3f}" in figures
    for row in document["test"]["confusion"]:
        assert {str(n) for n in row} <= set(figures)


def test_the_largest_confusion_that_there_is_fits_sixty_columns(result: RunResult) -> None:
    confusion = np.full((7, 7), 12_345)
    scores = replace(result.scores.test, confusion=confusion.tolist())
    text = _printed(_confusion_table(scores), 60)
    assert text.count("12,345") == 49
    assert max(map(len, text.splitlines())) <= 60


def test_synthetic_faces_come_with_a_warning(result: RunResult) -> None:
    warning = "these figures say nothing about FER-2013"
    assert warning not in _printed(summary(result))
    synthetic = replace(result, dataset=replace(result.dataset, synthetic=True))
    assert warning in _printed(summary(synthetic))


def test_scores_against_the_datas_own_labels_stand_beside_the_others(result: RunResult) -> None:
    assert "own labels" not in _printed(summary(result))
    assert "own_labels" not in metrics_document(result)
    both = [replace(_evaluation(seed), own_labels=_evaluation(10 + seed)) for seed in range(4)]
    names = ("all_features", "k_best", "random")
    relabelled = replace(result, scores=both[3], baselines=dict(zip(names, both, strict=False)))
    tables, document = _rows(_printed(summary(relabelled))), metrics_document(relabelled)
    baselines = document["baselines"]
    compared = [document, baselines["k_best"], baselines["random"], baselines["all_features"]]
    for title, scores in (
        ("PrivateTest", compared),
        ("Against", [one["own_labels"] for one in compared]),
    ):
        assert [row[2] for row in tables[title]] == [
            f"{s['test']['accuracy']:.3f} | {s['test_deduplicated']['accuracy']:.3f}"
            for s in scores
        ]
