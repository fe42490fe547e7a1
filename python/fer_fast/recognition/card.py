"""What a model file says about itself, for people: Markdown from its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fer_fast.errors import FerFastError
from fer_fast.recognition.model import ModelInfo

BUNDLED_CARD = Path(__file__).parent / "assets" / "MODEL_CARD.md"
"""The card of the model that comes with the package; its figures are `figures` of that model."""

_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_ROWS = {"test": "all", "test_deduplicated": "without duplicates"}


def figures(info: ModelInfo) -> str:
    """Return what the metadata say, as Markdown tables."""
    return "\n\n".join(_paragraphs(info)) + "\n"


def with_figures(card: str, info: ModelInfo) -> str:
    """Return a card with the figures of a model in the place of those that it had.

    Raises
    ------
    FerFastError
        If the card has no place for them.
    """
    before, begun, rest = card.partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not (begun and ended):
        raise FerFastError(f"the card has no place for figures between {_BEGIN} and {_END}")
    return f"{before}{_BEGIN}\n{figures(info)}{_END}{after}"


def _paragraphs(info: ModelInfo) -> Iterator[str]:
    about = {
        "labels": ", ".join(info.labels),
        "made by": f"fer-fast {info.version}" if info.version else "",
        "run": info.run_id,
        "training data, SHA-256": info.data_digest,
        "backbone, SHA-256": info.backbone_digest,
        "author": info.author,
        "licence": info.license,
    }
    yield _table(("", ""), [(name, value) for name, value in about.items() if value])
    if protocol := info.scores.get("protocol"):
        yield f"Protocol: {protocol}."
    blocks = list(_score_blocks(info.scores))
    if blocks:
        yield _table(
            ("labels", "rows", "n", "accuracy", "macro-F1"),
            [
                (data, _ROWS[rows], one.get("rows", "–"), *_decimals(one, "accuracy", "f1_macro"))
                for data, rows, one in blocks
            ],
        )
    for data, rows, one in blocks:
        if "per_class" in one:
            yield f"By class, {data}'s labels, {_ROWS[rows]}:"
            yield _table(
                ("class", "recall", "precision", "F1", "n"),
                [
                    (name, *_decimals(scores, "recall", "precision", "f1"), scores["support"])
                    for name, scores in one["per_class"].items()
                ],
            )
    if info.calibration:
        yield "Calibration:"
        yield _table(
            ("", ""),
            [
                (name.replace("_", " "), f"{value:.4g}" if isinstance(value, float) else value)
                for name, value in info.calibration.items()
            ],
        )


def _score_blocks(scores: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield whose labels, which rows, and the scores."""
    for block in (scores, scores.get("own_labels", {})):
        for rows in _ROWS:
            if isinstance(block.get(rows), Mapping):
                yield str(block.get("data", "the data set")), rows, block[rows]


def _decimals(scores: Mapping[str, float], *names: str) -> list[str]:
    return [f"{scores[name]:.3f}" if name in scores else "–" for name in names]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)
