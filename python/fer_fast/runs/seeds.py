"""Runs that differ by their seed alone: the folder that holds them, and what they say together."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fer_fast.errors import ParameterError
from fer_fast.progress import SILENT, Reporter
from fer_fast.runs.compare import (
    METHODS,
    scores_of,
    selection_stability,
    summarise_seeds,
)
from fer_fast.runs.folder import RunFolder, new_run_id, write_text
from fer_fast.runs.record import RunRecord, run_id_of
from fer_fast.settings import PATH_ERRORS, Settings, config_text

_COMMENT = "# fer-fast seeds {} of run {}"
_HEAD = re.compile(_COMMENT.format(r"(\d{1,9})", r"(\d{8}T\d{6}-[0-9a-f]{8})"))


@dataclass(frozen=True)
class SeedsFolder:
    """A folder with a run's folder for each seed, and what they say together.

    Attributes
    ----------
    path : Path
    n_seeds : int
    reporter : Reporter
    run_id : str
        The names of the runs follow from it, so that those of earlier seeds are never taken for
        them.
    """

    path: Path
    n_seeds: int
    reporter: Reporter = SILENT
    run_id: str = field(default_factory=new_run_id)

    @property
    def config(self) -> Path:
        """The settings of the first seed; its first line says how many there are."""
        return self.path / "config.toml"

    @property
    def summary(self) -> Path:
        """What the runs say together."""
        return self.path / "seeds.json"

    @classmethod
    def find(cls, path: Path, reporter: Reporter = SILENT) -> SeedsFolder | None:
        """Return the folder of seeds that was begun there; None: there is none."""
        try:
            with (path / "config.toml").open(encoding="utf-8", errors=PATH_ERRORS) as file:
                head = _HEAD.fullmatch(file.readline(200).strip())
        except OSError:
            return None
        return head and cls(path, int(head[1]), reporter, head[2])

    def run_folder(self, seed: int) -> RunFolder:
        """Return the folder of one seed's run."""
        start, _, _ = self.run_id.rpartition("-")
        digest = hashlib.sha256(f"{self.run_id} {seed}".encode()).hexdigest()
        name = f"seed-{seed}"
        return RunFolder(
            self.path / name, self.reporter, f"{start}-{digest[:8]}", resumed_by=self.path
        )

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Keep the folder to this process while the block runs.

        Raises
        ------
        ParameterError
            If another process runs there.
        OutputError
            If the folder cannot be written.
        """
        folder = RunFolder(self.path)
        folder.create()
        with folder.owned():
            yield

    def begin(self, settings: Settings) -> None:
        """Write the settings, from which the seeds can be resumed.

        Raises
        ------
        OutputError
            If the file cannot be written.
        ParameterError
            If the folder is that of a run.
        """
        if self.config.exists() and run_id_of(self.config) is not None:
            raise ParameterError(
                f"{self.path} is the folder of a run, and --seeds has one for each seed",
                hint="choose another --out",
            )
        # What earlier seeds said together is not what these do.
        self.summary.unlink(missing_ok=True)
        head = _COMMENT.format(self.n_seeds, self.run_id)
        write_text(self.config, f"{head}\n\n{config_text(settings)}")

    def save(self, documents: Sequence[dict[str, Any]]) -> None:
        """Write what the runs say together.

        Parameters
        ----------
        documents : sequence of dict
            The document of ``metrics.json`` of each seed.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        document = {"run_id": self.run_id} | seeds_document(documents)
        write_text(self.summary, json.dumps(document, indent=2, allow_nan=False) + "\n")


def seeds_document(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what runs say together that differ by their seed alone, as JSON types.

    Parameters
    ----------
    documents : sequence of dict
        The document of ``metrics.json`` of each seed.

    Returns
    -------
    dict
        ``summary``: for each method, set of rows and measure the mean over seeds with half of its
        95 % interval, and how far the ants are ahead by the pairs of each seed; ``stability`` of
        the selections, as `selection.stability.stability` has it, None where none can be said; and
        ``seeds``: the scores of each.
    """
    stability = selection_stability([RunRecord(Path(), one) for one in documents])
    return {
        "format": "fer-fast seeds",
        "version": 1,
        "summary": [asdict(one) for one in summarise_seeds(documents)],
        "stability": stability if math.isfinite(stability) else None,
        "seeds": [_row(one) for one in documents],
    }


def _row(document: dict[str, Any]) -> dict[str, Any]:
    scores = {
        method: {
            rows: {
                name: scores_of(document, method)[rows][name] for name in ("accuracy", "f1_macro")
            }
            for rows in ("test", "test_deduplicated")
        }
        for method in METHODS
    }
    return {
        "seed": document["parameters"]["seed"],
        "run_id": document.get("run_id"),
        "selected": document["features"]["selected"],
        "scores": scores,
    }
