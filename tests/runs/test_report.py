"""The report stands alone, says what the run's files say, and tells of no folder."""

from __future__ import annotations

import base64
import io
import json
import random
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated_json
from PIL import Image

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset, Split
from fer_fast.faces.labels import FER2013
from fer_fast.faces.loading import load_faces
from fer_fast.faces.readers.npz import save_npz
from fer_fast.runs.folder import RunFolder
from fer_fast.runs.predictions import load_predictions
from fer_fast.runs.record import read_record
from fer_fast.runs.report.mistakes import faces_of
from fer_fast.runs.report.page import report_html
from fer_fast.runs.report.places import ordinal
from fer_fast.runs.report.svg import Axis, ticks
from fer_fast.settings import Settings

RunCli = Callable[..., subprocess.CompletedProcess[str]]
WriteRun = Callable[..., Path]


class Page(HTMLParser):
    """Every tag, attribute and text of a page; tags must close in order."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_one_small_file_that_asks_for_nothing(write_run: WriteRun) -> None:
    html = report_html([read_record(write_run())])
    page = Page(html)
    assert len(html.encode()) < 500_000
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick"} & {name for name, _ in page.attributes}
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_every_plot_has_words_and_a_table(write_run: WriteRun) -> None:
    html = report_html([read_record(write_run())])
    plots = re.findall(r"<svg.*?</svg>", html)
    assert len(plots) >= 9
    for plot in plots:
        root = ElementTree.fromstring(plot)
        assert root.get("role") == "img"
        assert len(root.get("aria-label", "")) > 10
        assert "nan" not in plot.lower()
    assert html.count("as a table") >= 8


def test_figures_are_those_of_the_metrics(write_run: WriteRun) -> None:
    run = read_record(write_run())
    text = Page(report_html([run])).text
    for rows in ("test", "test_deduplicated"):
        for measure in ("accuracy", "f1_macro"):
            assert f"{run.metrics[rows][measure]:.3f}" in text
            for other in run.metrics["baselines"].values():
                assert f"{other[rows][measure]:.4f}" in text
    assert run.run_id in text
    assert "700 of 5,120 features" in text
    assert "say nothing about" not in text


def test_synthetic_faces_and_warnings_stand_at_the_head(write_run: WriteRun) -> None:
    path = write_run()
    metrics = json.loads((path / "metrics.json").read_text())
    metrics["data"]["synthetic"] = True
    metrics["warnings"] = ["CUDA <gone>: /home/alice/models/cuda.so is missing"]
    (path / "metrics.json").write_text(json.dumps(metrics))
    text = Page(report_html([read_record(path)])).text
    assert "say nothing about FER-2013" in text
    assert "CUDA <gone>: cuda.so is missing" in text


@pytest.mark.parametrize(
    "path",
    [
        "/home/alice/faces/fer2013.csv",
        "~/faces/fer2013.csv",
        "C:\\Users\\alice\\fer2013.csv",
        "/Users/alice smith/fer2013.csv",
    ],
)
def test_no_folder_is_named_unless_asked(write_run: WriteRun, path: str) -> None:
    folder = write_run(data=path, labels="ferplus=/home/alice/votes.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["data"]["source"] = path
    (folder / "metrics.json").write_text(json.dumps(metrics))
    run = read_record(folder)
    assert "alice" not in report_html([run])
    assert "fer2013.csv" in report_html([run])
    assert path in Page(report_html([run], with_paths=True)).text


def test_several_runs_stand_side_by_side(write_run: WriteRun) -> None:
    runs = [read_record(write_run(f"run-{seed}", seed=seed)) for seed in range(3)]
    page = Page(report_html(runs))
    assert "3 runs" in page.text
    for run in runs:
        assert run.run_id in page.text
    assert "run-0 and run-2" in page.text
    assert "McNemar p" in page.text


def test_a_search_without_a_history_and_features_without_a_place_leave_no_hole(
    write_run: WriteRun,
) -> None:
    path = write_run()
    metrics = json.loads((path / "metrics.json").read_text())
    metrics["features"]["channels"] = None
    metrics["colony"]["history"] = []
    (path / "metrics.json").write_text(json.dumps(metrics))
    page = Page(report_html([read_record(path)]))
    assert "Where the chosen features are" not in page.text


def test_pheromone_and_selection_stand_side_by_side(write_run: WriteRun) -> None:
    run = read_record(write_run())
    text = Page(report_html([run])).text
    pheromone = np.array(run.metrics["colony"]["pheromone"]).reshape(4, 1280)
    chosen = np.isin(np.arange(5120), run.subset).reshape(4, 1280)
    for cell in range(4):
        assert f"{chosen[cell].sum():,}" in text
        assert f"{pheromone[cell].mean():.2f}" in text
    top = np.argsort(-pheromone.mean(axis=0))[:128]
    shown = f"{pheromone[:, top].mean():.3f}{chosen[:, top].mean():.3f}"
    assert f"top tenth{shown}" in text


def test_a_run_that_has_not_kept_its_pheromone_shows_the_rest(write_run: WriteRun) -> None:
    path = write_run()
    metrics = json.loads((path / "metrics.json").read_text())
    del metrics["colony"]["pheromone"]
    (path / "metrics.json").write_text(json.dumps(metrics))
    text = Page(report_html([read_record(path)])).text
    assert "Where the chosen features are" in text
    assert "pheromone" not in text.split("Parameters and environment")[0].lower()


@given(number=st.integers(1, 10_000))
def test_a_place_has_its_word(number: int) -> None:
    word = ordinal(number)
    assert word.startswith(str(number))
    expected = {"1": "st", "2": "nd", "3": "rd"}.get(str(number)[-1], "th")
    assert word[-2:] == ("th" if str(number).zfill(2)[-2] == "1" else expected)


@pytest.fixture
def with_faces(write_run: WriteRun, tmp_path: Path) -> Path:
    """Return a run whose data set is there, every picture a shade of its own."""
    path = write_run("with-faces", n=240)
    told = load_predictions(path / "predictions.npz")
    pixels = np.arange(240, dtype=np.uint8)[:, None, None] + np.zeros((1, 48, 48), np.uint8)
    splits = np.repeat(list(Split), [20, 20, 200]).astype(np.uint8)
    dataset = FaceDataset(pixels, told.y.astype(np.uint8), splits, "few")
    save_npz(dataset, tmp_path / "few.npz")
    settings = Settings(data=tmp_path / "few.npz")
    RunFolder.of_earlier_run(path).begin(settings)
    metrics = json.loads((path / "metrics.json").read_text())
    metrics["data"]["hash"] = load_faces(settings.data).digest
    (path / "metrics.json").write_text(json.dumps(metrics))
    return path


def test_faces_are_shown_only_when_asked_for_and_are_the_surest_mistakes(
    with_faces: Path, run_cli: RunCli, tmp_path: Path
) -> None:
    assert "img" not in Page(report_html([read_record(with_faces)])).tags
    result = run_cli("report", with_faces, "--faces", "--out", "faces.html")
    assert result.returncode == 0, result.stderr
    html = (tmp_path / "faces.html").read_text()
    assert len(html.encode()) < 500_000
    shown = re.findall(r'<img src="data:image/png;base64,([^"]*)" alt="([^"]*)"', html)
    assert len(shown) == html.count("<img") == 24
    told = load_predictions(with_faces / "predictions.npz")
    answers, sureness = told.probabilities.argmax(axis=1), told.probabilities.max(axis=1)
    least = np.sort(sureness[answers != told.y])[-24]
    for content, said in shown:
        shade = int(np.array(Image.open(io.BytesIO(base64.b64decode(content))))[0, 0])
        assert answers[shade] != told.y[shade]
        assert sureness[shade] >= least
        answer, label = (FER2013.names[one[shade]] for one in (answers, told.y))
        assert said == f"A face: {answer} at {sureness[shade]:.0%}, labelled {label}"


def test_faces_of_another_data_set_are_not_taken_for_the_runs(
    with_faces: Path, run_cli: RunCli
) -> None:
    metrics = json.loads((with_faces / "metrics.json").read_text())
    metrics["data"]["hash"] = "0" * 64
    (with_faces / "metrics.json").write_text(json.dumps(metrics))
    result = run_cli("report", with_faces, "--faces")
    assert result.returncode == 2
    assert "holds other faces than the run in" in result.stderr


@pytest.mark.parametrize(
    "changes", [{"colony": {"history": [3]}}, {"data": 3}, {"parameters": "none"}, {"test": {}}]
)
def test_metrics_that_are_no_runs_are_refused(write_run: WriteRun, changes: dict[str, Any]) -> None:
    path = write_run()
    metrics = json.loads((path / "metrics.json").read_text())
    (path / "metrics.json").write_text(json.dumps(metrics | changes))
    with pytest.raises(DataError, match="are not those of a run"):
        report_html([read_record(path)])


@settings(
    derandomize=True,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32 - 1))
def test_metrics_of_any_kind_give_a_report_or_a_sentence(write_run: WriteRun, seed: int) -> None:
    path = write_run(n=40)
    metrics = path / "metrics.json"
    changed = mutated_json(json.loads(metrics.read_text()), random.Random(seed))
    metrics.write_text(json.dumps(changed))
    with suppress(DataError):
        Page(report_html([read_record(path)]))


numbers = st.floats(-1e9, 1e9)


@given(low=numbers, span=st.floats(1e-6, 1e9))
def test_ticks_are_few_round_and_on_the_axis(low: float, span: float) -> None:
    axis = Axis(low, low + span, 0, 100)
    found = ticks(axis.low, axis.high)
    assert len(found) <= 6
    assert found == sorted(found)
    for value in found:
        assert axis.low - span * 1e-6 - 1e-6 <= value <= axis.high + span * 1e-6 + 1e-6
        assert 0 <= axis(value) <= 100


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("n_runs", [1, 3])
def test_a_browser_shows_it_whole_at_any_width(
    write_run: WriteRun, browser: Any, width: int, n_runs: int, tmp_path: Path, with_faces: Path
) -> None:
    runs = [read_record(with_faces)]
    runs += [read_record(write_run(f"run-{seed}", seed=seed)) for seed in range(1, n_runs)]
    faces = {runs[0].run_id: faces_of(runs[0])}
    html = report_html(runs, faces=faces).replace("<details", "<details open")
    (tmp_path / "page.html").write_text(html)
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((tmp_path / "page.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    heights = browser.execute_script(
        "return [...document.querySelectorAll('svg text')]"
        ".map(t => t.getBoundingClientRect().height)"
    )
    assert min(heights) >= 8
    outside = browser.execute_script(
        "return [...document.querySelectorAll('svg text')].filter(t => {"
        "const [a, b] = [t.getBoundingClientRect(), t.closest('svg').getBoundingClientRect()];"
        "return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;"
        "}).map(t => t.textContent)"
    )
    assert outside == []
    assert browser.get_log("browser") == []
