"""What the benchmarks share: real rows, statistics, tables, results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


class Rows(NamedTuple):
    """Training and validation rows, as `ForestFitness` takes them."""

    X_train: NDArray[np.float32]
    y_train: NDArray[np.uint8]
    X_val: NDArray[np.float32]
    y_val: NDArray[np.uint8]

    def first(self, n: int | None) -> Rows:
        """Keep the first `n` training rows; None: all."""
        return self._replace(X_train=self.X_train[:n], y_train=self.y_train[:n])

    def doubled(self) -> Rows:
        """Append a copy of the training rows, each cell scaled by up to 5 % up or down."""
        rng = np.random.default_rng(0)
        noise = rng.uniform(0.95, 1.05, self.X_train.shape).astype(np.float32)
        noise *= self.X_train
        return self._replace(
            X_train=np.concatenate([self.X_train, noise]),
            y_train=np.concatenate([self.y_train, self.y_train]),
        )


def arguments(description: str | None) -> argparse.Namespace:
    return argument_parser(description).parse_args()


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="a local copy of FER-2013")
    parser.add_argument("--weights", type=Path, help="MobileNetV2's ImageNet weights without top")
    parser.add_argument(
        "--features", type=Path, help="an .npz of X, labels and splits instead of both"
    )
    parser.add_argument("--quick", action="store_true", help="few rows, trees and rounds")
    parser.add_argument("--out", type=Path, help="write the results as JSON")
    parser.add_argument("--rows", type=int, default=None, help="use the first training rows only")
    return parser


def load_rows(options: argparse.Namespace) -> Rows:
    """Return the training rows, and the public test rows to score."""
    X, labels, splits = load_features(options)
    train, val = splits == 0, splits == 1
    return Rows(X[train], labels[train], X[val], labels[val]).first(options.rows)


def load_features(
    options: argparse.Namespace,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """Return all features at 48 pixels, labels and splits."""
    if options.features is not None:
        with np.load(options.features) as stored:
            return stored["X"], stored["labels"], stored["splits"]
    from fer_fast.backbone.config import BackboneConfig
    from fer_fast.backbone.export import cached_model
    from fer_fast.backbone.weights import resolve_weights
    from fer_fast.faces.loading import load_faces
    from fer_fast.features import cached_features
    from fer_fast.runtime.session import open_session

    dataset = load_faces(options.data)
    model = cached_model(resolve_weights(options.weights), BackboneConfig(size=48))
    X = cached_features(open_session(model, device="cpu"), dataset)
    return X, dataset.labels, dataset.splits


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the half width of its 95 % confidence interval (Student's t)."""
    from scipy.stats import t as student

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan")
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return mean, float(student.ppf(0.975, len(values) - 1) * error)


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return the cosine of the angle between each row of `a` and that of `b`."""
    return np.einsum("ij,ij->i", a, b) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    print(f"\n{title}")
    for row in (header, ["-" * width for width in widths], *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


def machine() -> dict[str, Any]:
    """Return what the figures were measured on and with."""
    from threadpoolctl import threadpool_info

    from fer_fast.environment import PACKAGES, RUNTIMES, TRAIN_PACKAGES, installed_versions

    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": installed_versions((*PACKAGES, *TRAIN_PACKAGES, *RUNTIMES)),
        "blas": sorted({one["architecture"] for one in threadpool_info() if "architecture" in one}),
        "environment": {name: os.environ[name] for name in threads if name in os.environ},
    }


def print_growth(title: str, measured: Sequence[dict[str, Any]]) -> None:
    """Print seconds beside rows, features and trees, and by the law that they should follow."""
    print_table(
        title,
        ("rows", "features", "trees", "seconds", "us per row, tree and sqrt(features)"),
        [
            (
                f"{m['rows']:,}",
                f"{m['features']:,}",
                str(m["trees"]),
                f"{m['seconds']:.2f}",
                f"{1e6 * m['seconds'] / (m['rows'] * m['trees'] * m['features'] ** 0.5):.4f}",
            )
            for m in measured
        ],
    )


def write_results(options: argparse.Namespace, results: dict[str, Any]) -> None:
    if options.out is None:
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"machine": machine(), **results}, indent=2) + "\n")
    print(f"\nwritten: {options.out}")
