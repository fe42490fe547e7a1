"""Measure features on a GPU, against PyTorch and against what the card could do.

MODEL.onnx is what `fer-fast export` writes. PyTorch and the card's figures are compared with its
default alone: 48 pixels, 5,120 features. All faces are random bytes: speed does not depend on them.
Each section prints a table; the report is written after every row, so that a run that is cut short
loses one measurement, and a later run with --only and the same --out adds its sections.

    bench/gpu/run.sh measure MODEL.onnx [--quick] [--only SECTION]... [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from common import print_table
from onnx import shape_inference

from fer_fast.environment import available_cpus
from fer_fast.errors import FerFastError
from fer_fast.runtime.session import open_session
from fer_fast.storage.files import atomic_write, file_digest
from gpu.rig import FER2013_FACES, PROVIDERS, SIDE, WIDTH, Row, Run, guarded
from gpu.roofline import card, roofline
from gpu.sections import (
    agreement,
    batches_and_bindings,
    calls_with_few_faces,
    host_memory,
    lanes,
    provider_choices,
    whole_data_set,
)
from gpu.torch_sections import (
    kernels,
    pytorch,
    pytorch_agreement,
    pytorch_compiled,
    pytorch_whole_data_set,
)

Sections = dict[str, Callable[[Run], Iterator[Row]]]


def named(*functions: Callable[[Run], Iterator[Row]]) -> Sections:
    return {function.__name__: function for function in functions}


ANYWHERE = named(
    agreement, whole_data_set, host_memory, batches_and_bindings, calls_with_few_faces, lanes
)
"""Sections for any model and device."""

ANY_MODEL = ANYWHERE | named(provider_choices)
"""Sections that need CUDA."""

SECTIONS = ANY_MODEL | named(
    card, roofline, kernels, pytorch_agreement, pytorch_whole_data_set, pytorch, pytorch_compiled
)
"""The others need PyTorch too, and the model that it is compared with."""


def machine() -> dict[str, Any]:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        gpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        gpu = f"unknown ({error})"
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    return {
        "gpu": gpu,
        "cpus": available_cpus(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "torch": torch,
    }


def print_rows(title: str, rows: list[Row]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [
        [
            f"{v:,.4g}" if isinstance(v := row.get(key, ""), float) else str(v)[:60]
            for key in columns
        ]
        for row in rows
    ]
    print_table(title, columns, cells)
    sys.stdout.flush()


def is_shared(model: Path) -> bool:
    """Tell whether PyTorch's network is the same: 48 pixels and all 5,120 features."""
    graph = shape_inference.infer_shapes(onnx.load(model)).graph
    first = next(node.input[0] for node in graph.node if node.op_type == "Conv")
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
        for value in (*graph.value_info, *graph.output)
    }
    return shapes.get(first) == [3, SIDE, SIDE] and shapes.get("features") == [WIDTH]


def stored_report(out: Path, head: dict[str, Any]) -> dict[str, Any]:
    """Return the report to add to: a new one, or what `out` holds of the same set-up."""
    if not out.exists():
        return head | {"sections": {}}
    report: dict[str, Any] = json.loads(out.read_text())
    for key, value in head.items():
        if report.get(key) != value:
            raise FerFastError(
                f"{out} is of another {key} ({report.get(key)}, now {value}): give another --out"
            )
    return report


def measured(name: str, run: Run, save: Callable[[], None]) -> bool:
    """Run a section and save after each row; return whether it came to its end."""
    rows = run.sections[name] = []
    for row in guarded({}, SECTIONS[name](run)):
        rows.append(row)
        save()
    print_rows(name.replace("_", " "), rows)
    # A variant that a card refuses is a row of its section; one that is wrong is a failure.
    gated = name.endswith("agreement")
    return not any("failed" in row and (gated or row.keys() == {"failed"}) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--quick", action="store_true", help="few batch sizes, nothing compiled")
    parser.add_argument(
        "--only",
        action="append",
        choices=SECTIONS,
        metavar="SECTION",
        help=f"measure this section alone; may be repeated: {', '.join(SECTIONS)}",
    )
    parser.add_argument(
        "--max-autotune", action="store_true", help="compile with it: far slower to compile"
    )
    parser.add_argument("--faces", type=int, help="how many; default: as many as FER-2013 has")
    parser.add_argument("--out", type=Path, help="default: bench/results/gpu-<name>.json")
    parser.add_argument(
        "--device", choices=PROVIDERS, default="cuda", help="cpu only tries this script out"
    )
    options = parser.parse_args()
    try:
        return report_on(options)
    except FerFastError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def report_on(options: argparse.Namespace) -> int:
    # Before all else: this loads the CUDA libraries that ONNX Runtime and PyTorch share.
    name = open_session(options.model, options.device).device.removeprefix("cuda:")
    possible = ANYWHERE if options.device != "cuda" else ANY_MODEL
    if options.device == "cuda" and is_shared(options.model):
        possible = SECTIONS
    slug = "-".join(name.lower().split()) + ("-quick" if options.quick else "")
    out = options.out or Path(__file__).parents[1] / "results" / f"gpu-{slug}.json"
    head = {
        "machine": machine(),
        "device": options.device,
        "quick": options.quick,
        "model": file_digest(options.model),
    }
    report = stored_report(out, head)
    out.parent.mkdir(parents=True, exist_ok=True)
    print(json.dumps(head, indent=2))

    def save() -> None:
        with atomic_write(out) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n")

    run = Run(
        options.model,
        options.device,
        options.faces or (FER2013_FACES if options.device == "cuda" else 2048),
        options.quick,
        options.max_autotune,
        report["sections"],
    )
    chosen = options.only or [
        section for section in possible if not (options.quick and section == "pytorch_compiled")
    ]
    if impossible := [section for section in chosen if section not in possible]:
        raise FerFastError(
            f"{', '.join(impossible)} cannot be measured with this model on {options.device}: "
            "PyTorch's network has 48 pixels, and needs CUDA"
        )
    complete = [measured(section, run, save) for section in chosen]
    print(f"\nwrote {out}")
    return 0 if all(complete) else 1


if __name__ == "__main__":
    sys.exit(main())
