"""Runs of their own, for whoever reads runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import Run, evaluations, small_run

from fer_fast.backbone.weights import Weights
from fer_fast.classifier.scores import score_held_out
from fer_fast.faces.labels import FER2013
from fer_fast.runs.folder import RunFolder
from fer_fast.runs.predictions import TestPredictions, save_predictions
from fer_fast.settings import Settings

WriteRun = Callable[..., Path]
SEARCHED = {"best_score": 0.46, "stopped_by": "iterations", "judged_on": "out-of-bag"}
METHODS = ("all_features", "k_best", "random")


@pytest.fixture(scope="session")
def whole(
    random_weights: Weights, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Return a run that nobody disturbed."""
    run = small_run(tmp_path_factory.mktemp("whole"), random_weights.path, shared_cache)
    run.finish()
    assert evaluations(run.out) > 10
    return run


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Return a function that writes the files of a run that has ended, but for model and report."""

    def write(name: str = "run", *, seed: int = 0, n: int = 400, **changes: Any) -> Path:
        rng, settings = np.random.default_rng(seed), Settings(seed=seed)
        y = np.random.default_rng(99).integers(0, 7, n)
        shared = np.arange(n) % 10 == 0

        def guess(skill: float) -> Any:
            return np.where(rng.random(n) < skill, y, rng.integers(0, 7, n))

        predicted = guess(0.5)
        others = {
            method: guess(skill) for method, skill in zip(METHODS, (0.6, 0.4, 0.3), strict=True)
        }
        probabilities = np.full((n, 7), 0.05, np.float32)
        probabilities[np.arange(n), predicted] = 0.7
        folder = RunFolder(tmp_path / name)
        folder.create()
        folder.begin(settings)
        subset = np.sort(rng.choice(5120, 700, replace=False))
        pheromone = np.round(rng.uniform(0.05, 0.5, 5120), 4)
        pheromone[subset] += 0.4
        history = [
            {
                "iteration": number,
                "best_score": 0.4 + 0.02 * number,
                "mean_score": 0.35 + 0.02 * number,
                "best_size": 700,
                "mean_size": 650.5 - number,
            }
            for number in range(4)
        ]
        counts = dict(zip(FER2013.names, [400, 44, 410, 722, 483, 317, 496], strict=True))
        metrics = {
            "run_id": folder.run_id,
            "version": 1,
            **score_held_out(y, predicted, shared, FER2013.names).as_dict(),
            "baselines": {
                method: score_held_out(y, one, shared, FER2013.names).as_dict()
                for method, one in others.items()
            },
            "calibration": {"method": "temperature", "error_before": 0.2, "error_after": 0.05},
            "features": {"total": 5120, "channels": 1280, "selected": 700}
            | {"indices": subset.tolist()},
            "colony": {"history": history, "pheromone": pheromone.tolist()} | SEARCHED,
            "timings_s": {"data": 1.0, "selection": 20.0},
            "data": {"source": "faces", "hash": "d" * 64, "synthetic": False, "labels": "FER-2013"}
            | {"counts": {"Training": counts}, "fitted_on": dict.fromkeys(counts, 722)},
            "warnings": [],
            "device": "cpu",
            "model_hash": "m" * 64,
            "versions": {"fer-fast": "0.1.0", "numpy": "2.0"},
            "parameters": asdict(settings) | {"data": None, "out": None} | changes,
        }
        folder.metrics.write_text(json.dumps(metrics))
        predictions = TestPredictions(np.arange(n), y, shared, predicted, probabilities, others)
        save_predictions(folder.predictions, predictions, folder.run_id)
        return folder.path

    return write
