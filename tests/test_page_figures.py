"""The figures of the README and of docs are those of the committed results, to the last digit.

Each figure is the mean over the seeds that its file holds, or the median over its rounds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from fer_fast import Recognizer

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"
README, INDEX = "README.md", "docs/results.md"


def results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def share(value: float, digits: int = 3) -> str:
    """Return a figure below 1 as the pages print it, without the zero before the point."""
    return f"{value:.{digits}f}".removeprefix("0")


def signed(value: float, digits: int = 2) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def accuracies(k: int, method: str) -> dict[int, float]:
    """Return the accuracy, in %, of a method by seed; all features are of every size."""
    return {
        run["seed"]: 100 * run["accuracy"]
        for run in results("evidence")["runs"]
        if run["part"] == "equal" and run["method"] == method and (run["k"] == k or method == "all")
    }


def forest_ratio() -> float:
    """Return how many times as fast as scikit-learn's the forest is fitted, the median round."""
    speed = results("forest")["speed"]
    pairs = zip(speed["scikit-learn"]["fit"], speed["fer-fast"]["fit"], strict=True)
    return median(theirs / ours for theirs, ours in pairs)


def pipeline_ratio(name: str) -> float:
    medians = results(name)["medians"]
    return float(medians["plain"]["total"] / medians["fer-fast"]["total"])


def scores_of(configuration: str, chosen_by: str) -> dict[str, float]:
    """Return the mean over seeds of what the table of configurations has."""
    rows = [
        row
        for row in results("results_table")["runs"]
        if row["configuration"] == configuration and row["chosen by"] == chosen_by
    ]
    keys = ("features", "of", "accuracy", "accuracy_deduplicated")
    keys = (*keys, "f1_macro", "f1_macro_deduplicated")
    return {key: mean(row[key] for row in rows) for key in keys}


def readme() -> Iterator[str]:
    scores = Recognizer(threads=1).info.scores
    test, apart = scores["test"], scores["test_deduplicated"]
    yield (
        f"{share(test['accuracy'], 2)} of {test['rows']:,} test faces, "
        f"{share(apart['accuracy'], 2)} without duplicates"
    )
    ants, best, every = (
        f"{mean(accuracies(128, method).values()):.1f} %" for method in ("ants", "k best F", "all")
    )
    yield f"{ants} against {best}; all features {every}"
    yield f"scikit-learn's forest on wide data? | {forest_ratio():.1f} times"
    yield f"is the paper's experiment? | {pipeline_ratio('pipeline'):.1f} times"
    yield f"(ours is {share(scores_of('paper', 'ants')['accuracy'])} on all test rows"


def recognition() -> Iterator[str]:
    scores = Recognizer(threads=1).info.scores
    tables = {"FER+, more than half agree": scores, "FER-2013's own": scores["own_labels"]}
    for labels, one in tables.items():
        for rows, key in (("all {:,}", "test"), ("{:,} without duplicates", "test_deduplicated")):
            found = one[key]
            first = f" {labels}" if key == "test" else ""
            yield (
                f"|{first} | {rows.format(found['rows'])} | {share(found['accuracy'])} | "
                f"{share(found['f1_macro'])} |"
            )


def shares_of(one: dict[str, float]) -> str:
    """Return the cells of accuracy and macro-F1, each on all rows and without duplicates."""
    return " | ".join(
        rf"{share(one[key])} \| {share(one[f'{key}_deduplicated'])}"
        for key in ("accuracy", "f1_macro")
    )


def experiment() -> Iterator[str]:
    names = {
        "ant colony": "ants",
        "k best by F": "k best F",
        "k at random": "k at random",
        "all": "all",
    }
    for preset in ("best", "paper"):
        for shown, chosen_by in names.items():
            one = scores_of(preset, chosen_by)
            first = f" `--preset {preset}`" if chosen_by == "ants" else ""
            yield f"|{first} | {shown} | {one['features']:,.0f} | {shares_of(one)} |"


def evidence() -> Iterator[str]:
    others = ("credit elimination", "elimination by importances", "importances", "mRMR")
    for k in (64, 128, 256, 512, 1024):
        ants = accuracies(k, "ants")
        cells = [f"{mean(ants.values()):.1f}"]
        cells += [against(ants, accuracies(k, method)) for method in (*others, "k best F", "all")]
        yield f"| {k:,} | {' | '.join(cells)} |"
    paper = [
        {r["seed"]: 100 * r["accuracy"] for r in results("evidence")["runs"] if is_paper(r, method)}
        for method in ("ants", "k best F", "importances")
    ]
    f, importances = (against(paper[0], other).split("(")[1][:-1] for other in paper[1:])
    yield f"({f} and {importances} points)"
    kept = [
        run["found"]
        for run in results("matrices")["runs"]
        if (run["part"], run["method"]) == ("noise", "ants, their own k")
    ]
    assert kept == [2] * 10
    yield "keep both columns in all of ten seeds"


def is_paper(run: dict[str, Any], method: str) -> bool:
    return bool((run["part"], run["method"]) == ("paper", method))


def against(ants: dict[int, float], others: dict[int, float]) -> str:
    """Return the mean of other choices, and what the ants gain over them within a seed."""
    gains = [ants[seed] - others[seed] for seed in ants if seed in others]
    half = student.ppf(0.975, len(gains) - 1) * np.std(gains, ddof=1) / len(gains) ** 0.5
    return f"{mean(others.values()):.1f} ({signed(mean(gains))} ± {half:.2f})"


def speed() -> Iterator[str]:
    whole, fitness, smote = results("pipeline"), results("fitness"), results("smote")
    plain, ours = (whole["medians"][side] for side in ("plain", "fer-fast"))
    yield f"scikit-learn alone | {pipeline_ratio('pipeline'):.1f} |"
    yield f"4,000 faces | | {pipeline_ratio('pipeline-4000'):.1f} |"
    yield f"its search | | {plain['selection'] / ours['selection']:.0f} |"
    yield f"scikit-learn's, two threads | {forest_ratio():.1f} |"
    engines = fitness["speed"]
    judged = median(engines["sklearn"]["seconds"]) / median(engines["native"]["seconds"])
    yield f"scikit-learn's forest, two threads | {judged:.1f} |"
    faces = results("extraction")["sides"]["fer-fast, 2 lanes, batch 32"]["ratio"]
    yield f"Keras `predict` at its fastest | {faces:.2f} |"
    took = smote["seconds"]
    yield f"imbalanced-learn | {median(took['imbalanced-learn']) / median(took['fer-fast']):.1f} |"
    yield f"takes {ours['total']:.0f} s on two cores"
    yield f"plain libraries take {plain['total']:.0f} s"


def half_precision() -> Iterator[str]:
    one = results("half-precision")
    single, half = (mean(one["accuracy"][name]) for name in ("fp32", "fp16"))
    low, high = (signed(value) for value in one["interval_95_points"])
    yield f"by {signed(100 * (half - single))} points, 95 % interval {low} to {high}"


def gpu() -> Iterator[str]:
    sections = results("gpu-nvidia-h200")["sections"]
    cpus = results("gpu-nvidia-h200-cpus")["sections"]["whole_data_set"]
    (lanes,) = (row for row in sections["lanes"] if row["lanes"] == 4)
    yield f"where they fit) | {lanes['first_s']:.2f} | {lanes['warm_s']:.2f} |"
    (cores,) = (row for row in cpus if row["default"])
    yield f"16 CPU cores | {cores['first_s']:.2f} | {cores['warm_s']:.2f} |"
    for how in ("eager", "CUDA graph"):
        laps = [
            row
            for row in sections["pytorch_whole_data_set"]
            if (row["how"], row["precision"]) == (how, "fp32")
        ]
        best = min(laps, key=lambda row: float(row["warm_s"]))
        first = f"{best['first_s']:.2f}" if how == "eager" else "–"
        yield f"| PyTorch, {how} | {first} | {best['warm_s']:.2f} |"
    same, on_cpus, on_gpu = results("gpu-nvidia-h200-answers")
    yield f"the same answers to {same['max_abs_difference']:.1e}"
    yield f"judges {on_gpu['faces'] / on_gpu['warm_s']:,.0f} faces a second there"
    yield f"against {on_cpus['faces'] / on_cpus['warm_s']:,.0f} on the 16 cores"
    proof = [row for row in results("gpu-nvidia-h200-proof") if "max_abs_difference" in row]
    worst = max(row["max_abs_difference"] for row in proof if row["precision"] == "fp32")
    yield f"differ from the CPU's by {share(worst, 4)} at most in single precision"


def protocols() -> Iterator[str]:
    for one in results("audit")["protocols"]:
        accuracy, f1 = (share(one["scores"][key]) for key in ("accuracy", "f1_weighted"))
        yield f"| {one['name']} | {accuracy} | {f1} |"


def duplicates() -> Iterator[str]:
    found = results("audit")["integrity"]
    yield f"Of FER-2013's {found['faces']:,} faces {found['redundant']:,} repeat the exact image"
    yield f"and {found['shared']['PrivateTest']} of PrivateTest's have theirs in another split too"
    yield (
        f"{found['conflicting']} faces carry different labels for the same "
        f"{found['conflicting_images']} images"
    )


def card() -> Iterator[str]:
    info = Recognizer(threads=1).info
    scores, own = info.scores, info.scores["own_labels"]
    yield (
        f"it says what they say for {share(scores['test']['accuracy'])} "
        f"({share(scores['test_deduplicated']['accuracy'])} without"
    )
    yield (
        f"it is right on {share(own['test']['accuracy'])} "
        f"({share(own['test_deduplicated']['accuracy'])})"
    )
    yield f"off from the shares of votes by {share(info.calibration['error_after'])}"


def installation() -> Iterator[str]:
    for name, one in results("installation")["installations"].items():
        cost = f"{one['seconds']:.0f} | {one['megabytes']:,.0f} | {one['packages']}"
        yield f"| {name} {one['version']} | {cost} |"


def forest_page() -> Iterator[str]:
    speed = results("forest")["speed"]
    pairs = list(zip(speed["scikit-learn"]["fit"], speed["fer-fast"]["fit"], strict=True))
    ratios = [theirs / ours for theirs, ours in pairs]
    yield (
        f"it fits {median(ratios):.1f} times as fast as scikit-learn's "
        f"({min(ratios):.1f} to {max(ratios):.1f} in {len(ratios)} rounds)".replace(
            " 3 rounds", " three rounds"
        )
    )


def forest_peers() -> Iterator[str]:
    found = results("forest-peers")
    fits = {name: median(one["fit"]) for name, one in found["speed"].items() if "fit" in one}
    rows = f"{found['rows']:,} rows of {found['features']:,} features, {found['n_trees']} trees"
    yield f"{rows} grown to purity take LightGBM {fits['LightGBM']:.1f} s"
    yield f"XGBoost {fits['XGBoost']:.1f} s, scikit-learn {share(fits['scikit-learn'])} s"
    yield f"and fer-fast {share(fits['fer-fast'])} s"


def scale_page() -> Iterator[str]:
    workers, faces = results("scale-workers"), results("scale-faces")
    dask, pool = (1e3 * workers["overhead_s"][name] for name in ("Dask", "process pool"))
    yield f"costs {dask:.1f} ms beyond its own time through Dask, {pool:.1f} ms through a pool"
    plain, credited = (
        one["bytes"]
        for credit in (None, "gain")
        for one in workers["bytes"]
        if (one["credit"], one["k"]) == (credit, 1000)
    )
    yield f"are {plain:,} bytes as pickles, {credited:,} with credit"
    wire = workers["wire"]
    yield f"one of {wire['features']} features is {wire['bytes']:,.0f} bytes"
    largest = faces["runs"][-1]
    assert largest["faces"] == 1_000_000
    peak, own = (largest[key] / 1e9 for key in ("peak_bytes", "own_bytes"))
    yield (
        f"{largest['cpu_seconds']:.0f} seconds of one processor, and at most {peak:.1f} GB of "
        f"memory, {peak - own:.1f} GB of them pages of files"
    )
    yield f"processor time grows by the power {faces['exponent']:.2f}"
    half, whole = results("scale-table")["runs"]
    (arrays,) = (one for one in faces["runs"] if one["faces"] == whole["faces"] == 250_000)
    gigabytes = {f"{one['peak_bytes'] / 1e9:.1f}" for one in (whole, arrays)}
    yield f"250,000 faces take as much memory as from an `.npz` ({', '.join(gigabytes)} GB)"
    own = {f"{one['own_bytes'] / 1e9:.2f}" for one in (half, whole)}
    yield f"what is no page of a file is {', '.join(own)} GB, as of {half['faces']:,}"


@pytest.mark.parametrize(
    ("page", "figures"),
    [
        (README, readme),
        (INDEX, recognition),
        (INDEX, experiment),
        ("bench/README.md", forest_peers),
        (INDEX, evidence),
        (INDEX, speed),
        (INDEX, half_precision),
        (INDEX, gpu),
        ("docs/honest-testing.md", protocols),
        ("docs/honest-testing.md", duplicates),
        ("docs/recognise.md", card),
        ("docs/forest.md", forest_page),
        ("docs/install.md", installation),
        ("docs/scale.md", scale_page),
    ],
)
def test_every_figure_of_a_page_is_that_of_its_file(
    page: str, figures: Callable[[], Iterator[str]]
) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for words in figures():
        assert words in text, f"{page} does not say: {words}"


def test_the_date_of_a_measurement_is_that_of_its_file() -> None:
    text = (ROOT / INDEX).read_text(encoding="utf-8")
    for path in RESULTS.glob("*.json"):
        found = results(path.stem)
        machine = found.get("machine", {}) if isinstance(found, dict) else {}
        lines = [line for line in text.splitlines() if f"`{path.name}`" in line]
        if lines and isinstance(machine, dict) and "date" in machine:
            assert all(line.endswith(f"| {machine['date']} |") for line in lines), path.name


def test_the_table_tells_of_every_file_of_figures() -> None:
    text = (ROOT / INDEX).read_text(encoding="utf-8")
    table = text[text.index("| figures | command |") :]
    told = {path.name for path in RESULTS.glob("*.json") if f"`{path.name}`" in table}
    # The files of one GPU share a line.
    gpus = [line for line in table.splitlines() if "bench/gpu" in line]
    told |= {p.name for p in RESULTS.glob("gpu-*") if f"`-{p.stem.rpartition('-')[2]}`" in gpus[0]}
    assert told == {path.name for path in RESULTS.iterdir()}
