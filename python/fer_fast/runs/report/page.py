"""The page: what stands where, for one run or several side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fer_fast.errors import DataError
from fer_fast.faces.dataset import FaceDataset
from fer_fast.runs import compare
from fer_fast.runs.record import RunRecord
from fer_fast.runs.report import figures
from fer_fast.runs.report.figures import interval, table
from fer_fast.runs.report.mistakes import surest_mistakes
from fer_fast.runs.report.places import places
from fer_fast.runs.report.style import STYLE
from fer_fast.storage.files import atomic_write

_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"(),:;]+[/\\])+")
"""The folders of a path in a sentence, but for its last part."""

_WHOLE_PATH = re.compile(r"(?:ferplus=)?((?:~|[A-Za-z]:)?[/\\].*[/\\])", re.DOTALL)
"""The same of a path that is all there is."""


def report_html(
    runs: Sequence[RunRecord],
    *,
    with_paths: bool = False,
    faces: Mapping[str, FaceDataset] = MappingProxyType({}),
) -> str:
    """Return the report of a run, or of several side by side, as one HTML page.

    Parameters
    ----------
    runs : sequence of RunRecord
        At least one.
    with_paths : bool, default=False
        Whether it may show where files lie, which tells of a home folder.
    faces : mapping of str to FaceDataset
        By run id: the data sets of those runs whose surest mistakes it may show, which are pictures
        of people.

    Raises
    ------
    DataError
        If a run's files are not what its `metrics.json` says.
    """
    try:
        shown = [run if with_paths else _without_paths(run) for run in runs]
        if len(shown) == 1:
            body = _title(shown[0]) + _run(shown[0], faces.get(shown[0].run_id))
        else:
            body = _comparison(shown) + "".join(
                f'<details class="run"><summary>{escape(_name(run))}</summary>'
                f"{_title(run)}{_run(run, faces.get(run.run_id))}</details>"
                for run in shown
            )
    except DataError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(
            f"the metrics of {runs[0].path} are not those of a run ({error!r})",
            hint="repeat the run",
        ) from error
    title = escape(f"fer-fast {', '.join(_name(run) for run in shown)}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n"
        "</html>\n"
    )


def save_report(
    path: Path,
    runs: Sequence[RunRecord],
    *,
    with_paths: bool = False,
    faces: Mapping[str, FaceDataset] = MappingProxyType({}),
) -> None:
    """Write `report_html`.

    Raises
    ------
    DataError
        If a run's files are not what its `metrics.json` says.
    OutputError
        If the file cannot be written.
    """
    page = report_html(runs, with_paths=with_paths, faces=faces)
    with atomic_write(path) as temporary:
        # A name of a file need not be text.
        temporary.write_text(page, encoding="utf-8", errors="replace")


def _name(run: RunRecord) -> str:
    return run.path.name or run.run_id


def _without_paths(run: RunRecord) -> RunRecord:
    """Return the run with no path but its last part."""
    # A folder with a space in its name ends nowhere in a sentence, unless it is known.
    named = [str(value) for value in (*run.parameters.values(), run.metrics["data"]["source"])]
    whole = [one for name in named if (one := _WHOLE_PATH.match(name))]
    known = sorted((one[1] for one in whole), key=len, reverse=True)

    def last_part(value: Any) -> Any:
        if isinstance(value, str):
            for folder in known:
                value = value.replace(folder, "")
            return _ABSOLUTE_PATH.sub("", value)
        if isinstance(value, dict):
            return {name: last_part(one) for name, one in value.items()}
        return [last_part(one) for one in value] if isinstance(value, list) else value

    shown = dict(run.metrics)
    for part in ("parameters", "data", "warnings", "device"):
        shown[part] = last_part(shown.get(part))
    return RunRecord(run.path, shown)


def _title(run: RunRecord) -> str:
    data, test, own = (run.metrics[name] for name in ("data", "test", "test_deduplicated"))
    features = run.metrics["features"]
    parts = [
        f"<header><h1>{features['selected']:,} of {features['total']:,} features</h1>",
        f'<p class="soft-text">Run {escape(run.run_id)} on {escape(data["source"])} '
        f"({escape(data['labels'])}), {test['rows']:,} test faces.</p></header>",
    ]
    if data["synthetic"]:
        parts.append(
            '<p class="warn"><strong>Synthetic faces:</strong> these figures say nothing about '
            "FER-2013.</p>"
        )
    cards = []
    for scores, rows in (
        (test, f"all {test['rows']:,} test rows"),
        (own, f"{own['rows']:,} rows whose image stands in no other split"),
    ):
        for measure, name in figures.MEASURES.items():
            low, high = interval(scores, measure)
            cards.append(
                f'<div class="card">{name}<b>{scores[measure]:.3f}</b>'
                f"{low:.3f} to {high:.3f}<br>"
                f'<span class="soft-text">{rows}</span></div>'
            )
    parts.append(f'<div class="cards">{"".join(cards)}</div>')
    parts.append(
        '<p class="soft-text">Intervals are for 95 % and over rows: of the accuracy by Wilson, of '
        "macro-F1 by the bootstrap. They do not hold what another seed would change. "
        "Where a test face stands in another split too, a forest may have learnt it by heart: the "
        "second pair is the honest one.</p>"
    )
    if run.metrics.get("warnings"):
        items = "".join(f"<li>{escape(one)}</li>" for one in run.metrics["warnings"])
        parts.append(
            f'<div class="warn"><strong>Warnings of the run</strong><ul>{items}</ul></div>'
        )
    return "".join(parts)


def _run(run: RunRecord, dataset: FaceDataset | None) -> str:
    sections = (
        ("Against simpler choices", figures.methods(run)),
        ("Classes", _side_by_side(figures.per_class(run), figures.balance(run))),
        ("Confusion, all test rows", figures.confusion(run)),
        ("Surest mistakes", "" if dataset is None else surest_mistakes(run, dataset)),
        ("The search", _side_by_side(figures.convergence(run), figures.sizes(run))),
        ("Where the chosen features are", places(run)),
        ("Calibration and time", _side_by_side(figures.calibration(run), figures.timings(run))),
        ("Parameters and environment", _parameters(run)),
        ("Repeat it", _how_to_repeat(run)),
    )
    return "".join(f"<section><h2>{name}</h2>{body}</section>" for name, body in sections if body)


def _side_by_side(*parts: str) -> str:
    filled = "".join(part for part in parts if part)
    return f'<div class="plots">{filled}</div>' if filled else ""


def _parameters(run: RunRecord) -> str:
    parameters = [(name, _shown(value)) for name, value in run.parameters.items()]
    environment = [
        ("device", run.metrics["device"]),
        *run.metrics.get("versions", {}).items(),
        ("data digest", f"{run.metrics['data']['hash'][:16]}…"),
        ("backbone digest", f"{run.metrics['model_hash'][:16]}…"),
    ]
    return _side_by_side(
        table(("parameter", "value"), parameters, "words"),
        table(("environment", ""), environment, "words"),
    )


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def _how_to_repeat(run: RunRecord) -> str:
    versions = run.metrics.get("versions", {})
    return (
        "<p>With the run's <code>config.toml</code> and the same data:</p>"
        f"<pre>pip install 'fer-fast[train]=={escape(str(versions.get('fer-fast', '')))}'\n"
        "fer-fast pipeline --config config.toml --out again</pre>"
        "<p>The same releases of the packages above, and data of the same digest, give the same "
        "figures for any number of threads.</p>"
    )


def _comparison(runs: Sequence[RunRecord]) -> str:
    head = ("run", "features", "accuracy", "95 %", "macro-F1", "accuracy, own rows", "seconds")
    rows = []
    for run in runs:
        test, own = run.metrics["test"], run.metrics["test_deduplicated"]
        low, high = interval(test, "accuracy")
        rows.append(
            (
                _name(run),
                f"{run.metrics['features']['selected']:,}",
                f"{test['accuracy']:.4f}",
                f"{low:.4f} to {high:.4f}",
                f"{test['f1_macro']:.4f}",
                f"{own['accuracy']:.4f}",
                f"{sum(run.metrics['timings_s'].values()):,.0f}",
            )
        )
    different = compare.different_parameters(runs)
    changed = [(name, *map(_shown, values)) for name, values in different.items()]
    pairs = []
    for first, second in combinations(runs, 2):
        try:
            pair = compare.compare_pair(first, second)
            said = (f"{pair.only_first:,}", f"{pair.only_second:,}", f"{pair.p:.2g}")
        except DataError:
            said = ("", "", "other rows")
        shared = f"{compare.overlap(first, second):.3f}"
        pairs.append((f"{_name(first)} and {_name(second)}", *said, shared))
    pair_head = ("pair", "only the first is right", "only the second", "McNemar p", "overlap")
    return (
        f"<header><h1>{len(runs)} runs</h1></header>{table(head, rows)}"
        f"<section><h2>What differs</h2>{table(('', *map(_name, runs)), changed)}</section>"
        f"<section><h2>Pairs on the same test rows</h2>{table(pair_head, pairs)}"
        '<p class="soft-text">Overlap: features in both selections, of those in either.</p>'
        "</section>"
    )
