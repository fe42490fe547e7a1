"""The report's figures: each a plot, what it says in words, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from fer_fast.classifier.intervals import f1_macro_interval, proportion_interval
from fer_fast.runs.compare import METHODS, mcnemar, scores_of
from fer_fast.runs.record import RunRecord
from fer_fast.runs.report import svg

MEASURES = {"accuracy": "accuracy", "f1_macro": "macro-F1"}
_BINS = 10


def figure(plot: str, caption: str, table: str) -> str:
    """Return a plot with its caption, and its numbers behind a line to open."""
    return (
        f"<figure>{plot}<figcaption>{escape(caption)}</figcaption>"
        f"<details><summary>as a table</summary>{table}</details></figure>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]], style: str = "") -> str:
    """Return a table; a cell that is a number is written as it is."""
    named = f' class="{style}"' if style else ""
    top = "".join(f'<th scope="col">{escape(one)}</th>' for one in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table{named}><thead><tr>{top}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(content: object) -> str:
    return f"<td>{content if isinstance(content, Markup) else escape(str(content))}</td>"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def interval(scores: dict[str, Any], measure: str) -> tuple[float, float]:
    """Return the 95 % interval over rows of one of `MEASURES`."""
    confusion = np.array(scores["confusion"])
    if measure == "accuracy":
        return proportion_interval(int(np.trace(confusion)), int(confusion.sum()))
    return f1_macro_interval(confusion)


def methods(run: RunRecord) -> str:
    """Return the colony's features beside the others, on both sets of rows."""
    pairs = {"chosen": ""} | {
        name: f"{mcnemar(run.predictions.y, run.predictions.predicted, one).p:.2g}"
        for name, one in run.predictions.baselines.items()
    }
    plots, rows = [], []
    same = run.metrics["test"]["rows"] == run.metrics["test_deduplicated"]["rows"]
    for key, title in (
        ("test", "all test rows"),
        ("test_deduplicated", "rows whose image stands in no other split"),
    ):
        for measure, name in MEASURES.items():
            shown = []
            for method, label in METHODS.items():
                scores = scores_of(run.metrics, method)[key]
                low, high = interval(scores, measure)
                shown.append(svg.Dot(label, scores[measure], low, high, method == "chosen"))
                numbers = (f"{scores[measure]:.4f}", f"{low:.4f} to {high:.4f}")
                rows.append((label, title, name, *numbers, pairs[method] if key == "test" else ""))
            if key == "test" or (measure == "accuracy" and not same):
                alt = f"{name} on {title}, with 95 % intervals over rows: " + ", ".join(
                    f"{one.label} {one.value:.3f}" for one in shown
                )
                plots.append((svg.dots(shown, alt, name), alt))
    all_numbers = table(
        ("features", "rows", "measure", "score", "95 % over rows", "McNemar p against the ants"),
        rows,
    )
    figures = [
        f"<figure>{plot}<figcaption>{escape(alt)}</figcaption></figure>" for plot, alt in plots
    ]
    return (
        f'<div class="plots">{"".join(figures)}</div>'
        f"<details><summary>as a table</summary>{all_numbers}</details>"
    )


def confusion(run: RunRecord) -> str:
    """Return the confusion matrix as a shaded table, shares of the true class beside counts."""
    names, counts = list(run.metrics["test"]["per_class"]), run.metrics["test"]["confusion"]
    rows = []
    for name, row in zip(names, counts, strict=True):
        all_of_class = max(1, sum(row))
        cells = [
            Markup(f'<i style="--v:{count / all_of_class:.2f}"></i>{count:,}') for count in row
        ]
        rows.append((name, *cells))
    return table(("true ↓ predicted →", *names), rows, "heat")


def per_class(run: RunRecord) -> str:
    """Return each class' recall with its interval, and the other scores."""
    shown, rows = [], []
    for place, (name, one) in enumerate(run.metrics["test"]["per_class"].items()):
        hits = run.metrics["test"]["confusion"][place][place]
        low, high = proportion_interval(hits, one["support"])
        shown.append(svg.Dot(name, one["recall"], low, high, is_main=True))
        scores = [f"{one[score]:.3f}" for score in ("precision", "recall", "f1")]
        rows.append((name, *scores, f"{low:.3f} to {high:.3f}", f"{one['support']:,}"))
    caption = "Recall by class on all test rows, with 95 % intervals over rows"
    head = ("class", "precision", "recall", "F1", "95 % of recall", "rows")
    return figure(svg.dots(shown, caption, "recall"), caption, table(head, rows))


def balance(run: RunRecord) -> str:
    """Return the rows of each class before and after mirroring and balancing."""
    before, after = run.metrics["data"]["counts"]["Training"], run.metrics["data"]["fitted_on"]
    rows = [(name, (before[name], after[name])) for name in before]
    caption = "Training rows of each class: as the data has them, and as the forests were fitted on"
    plot = svg.bars(rows, ("other", "main"), caption, "rows")
    key = svg.legend([("before balancing", "other"), ("after", "main")])
    numbers = [(name, f"{one:,}", f"{other:,}") for name, (one, other) in rows]
    return figure(plot + key, caption, table(("class", "before", "after"), numbers))


def convergence(run: RunRecord) -> str:
    """Return the judge's scores by iteration, held against the test rows where they compare."""
    history = [one for one in run.metrics["colony"]["history"] if one["best_score"] is not None]
    if not history:
        return ""
    scoring = run.parameters["scoring"]
    level = None
    if scoring in MEASURES:
        level = ("final forest, test rows", run.metrics["test_deduplicated"][scoring])
    series = [
        svg.Line("best so far", _series(history, "best_score"), "main"),
        svg.Line("mean of the ants", _series(history, "mean_score"), "other"),
    ]
    judge = f"{scoring.replace('_', ' ')}, {run.metrics['colony']['judged_on']} rows"
    plot = svg.lines(series, "The judge's score by iteration", "iteration", judge, level=level)
    caption = "What the search maximises. It chose by this score, which is no estimate for new rows"
    if level:
        caption += "; the dashed line is, on the test rows whose image stands in no other split"
    caption += "."
    rows = [
        (one["iteration"] + 1, _number(one["best_score"]), _number(one["mean_score"]))
        for one in history
    ]
    return figure(plot, caption, table(("iteration", "best", "mean"), rows))


def sizes(run: RunRecord) -> str:
    """Return how large the subsets were by iteration."""
    history = [one for one in run.metrics["colony"]["history"] if one["best_size"] is not None]
    if not history:
        return ""
    series = [
        svg.Line("best so far", _series(history, "best_size"), "main"),
        svg.Line("mean of the ants", _series(history, "mean_size"), "other"),
    ]
    plot = svg.lines(series, "Size of the subsets by iteration", "iteration", "features")
    rows = [
        (one["iteration"] + 1, f"{one['best_size']:,}", f"{one['mean_size']:,.1f}")
        for one in history
    ]
    return figure(plot, "Features of a subset.", table(("iteration", "best", "mean"), rows))


def _series(history: Sequence[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(one["iteration"] + 1, one[name]) for one in history if one[name] is not None]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def calibration(run: RunRecord) -> str:
    """Return how often answers are right over how sure they were."""
    told = run.predictions
    rows_of_own = ~told.shared
    said = told.probabilities[rows_of_own].max(axis=1)
    right = told.probabilities[rows_of_own].argmax(axis=1) == told.y[rows_of_own]
    bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
    filled = [number for number in range(_BINS) if (bins == number).any()]
    points = [
        (float(said[bins == n].mean()), float(right[bins == n].mean()), int((bins == n).sum()))
        for n in filled
    ]
    shares = [count / len(said) for *_, count in points]
    plot = svg.reliability([p[0] for p in points], [p[1] for p in points], shares)
    measured = run.metrics["calibration"]
    caption = (
        "Calibrated probabilities of the test rows of their own split; a dot's area is its share "
        f"of rows. Expected calibration error {measured['error_before']:.3f} before and "
        f"{measured['error_after']:.3f} after calibration."
    )
    rows = [(f"{x:.3f}", f"{y:.3f}", f"{count:,}") for x, y, count in points]
    return figure(plot, caption, table(("mean probability", "share right", "rows"), rows))


def timings(run: RunRecord) -> str:
    """Return the seconds of each stage."""
    rows = [(name, (seconds,)) for name, seconds in run.metrics["timings_s"].items()]
    plot = svg.bars(rows, ("main",), "Seconds of each stage", "seconds", form="{:,.1f}")
    total = sum(values[0] for _, values in rows)
    caption = f"{total:,.1f} s in all; a stage that the cache answered took none of its time."
    numbers = [(name, f"{values[0]:,.2f}") for name, values in rows]
    return figure(plot, caption, table(("stage", "seconds"), numbers))
