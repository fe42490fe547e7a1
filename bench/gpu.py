"""Measure features on a GPU, against PyTorch and against what the card could do.

MODEL.onnx is what `fer-fast export` writes by default: 48 pixels, 5,120 features. All faces are
random bytes: speed does not depend on them. Each section prints a table; the report is written
after every row, so that a run that is cut short loses one measurement, and a later run with --only
and the same --out adds its sections.

    bench/gpu.sh MODEL.onnx [--quick] [--only SECTION]... [--out FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
from common import cosines, print_table
from numpy.typing import NDArray
from onnx import TensorProto, shape_inference

from fer_fast.environment import available_cpus
from fer_fast.errors import FerFastError
from fer_fast.graph.fp16 import cached_half
from fer_fast.graph.padding import KEEP_EXPLICIT_PADDING, with_explicit_padding
from fer_fast.runtime.cuda import provider_options
from fer_fast.runtime.session import Session, open_session
from fer_fast.settings import Precision
from fer_fast.storage.files import atomic_write, file_digest

FER2013_FACES = 35_887
SIDE, WIDTH = 48, 5120
BATCHES = (1, 8, 64, 256, 1024, 2048, 4096, 8192)
QUICK_BATCHES = (1, 64, 1024)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
ROOFLINE_BATCH = 1024

Row = dict[str, Any]
Faces = NDArray[np.uint8]


@dataclass(frozen=True)
class Run:
    """What every section is given; `sections` holds the rows of those measured already."""

    model: Path
    device: str
    quick: bool
    max_autotune: bool
    sections: dict[str, list[Row]]

    @property
    def precisions(self) -> tuple[Precision, ...]:
        return PRECISIONS if self.device == "cuda" else ("fp32",)

    @property
    def batches(self) -> tuple[int, ...]:
        return QUICK_BATCHES if self.quick else BATCHES

    @property
    def large_batches(self) -> tuple[int, ...]:
        return tuple(batch for batch in self.batches if batch >= 256)

    @property
    def data_set(self) -> Faces:
        return random_faces(FER2013_FACES if self.device == "cuda" else 2048)


def random_faces(n: int) -> Faces:
    return np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE), dtype=np.uint8)


def seconds_per_call(call: Callable[[], object], budget: float = 0.5) -> float:
    """Return the median seconds of a call that ends when its work has."""
    for _ in range(3):
        call()
    laps: list[float] = []
    while len(laps) < 5 or (sum(laps) < budget and len(laps) < 200):
        laps.append(seconds(call))
    return statistics.median(laps)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first_and_warm(call: Callable[[], object]) -> Row:
    laps = [seconds(call) for _ in range(4)]
    return {"first_s": laps[0], "warm_s": statistics.median(laps[1:])}


def failed(row: Row, error: Exception) -> Row:
    # ONNX Runtime says what happened behind its C++ signatures.
    return row | {"failed": f"{type(error).__name__}: {error}"[:1500]}


def attempt(row: Row, measure: Callable[[], Row]) -> Row:
    """Add a measurement to a row, or the reason why there is none."""
    try:
        return row | measure()
    except Exception as error:
        # One variant that this card or this PyTorch refuses must not cost the others.
        return failed(row, error)


def guarded(row: Row, rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows, and in place of those that an error costs, `row` and the reason."""
    try:
        yield from rows
    except Exception as error:
        yield failed(row, error)


# --- ONNX Runtime ---------------------------------------------------------------------------------


def load(
    model: Path,
    precision: Precision,
    device: str,
    *,
    profile: Path | None = None,
    apart: bool = True,
    **options: str,
) -> Any:
    """Open a model as the product does, with other provider options on top.

    `apart` is whether padding that differs from side to side is a step of its own on CUDA.
    """
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 4
    if profile:
        session_options.enable_profiling = True
        session_options.profile_file_prefix = str(profile)
    provider: Any = PROVIDERS[device]
    source: Path | bytes = cached_half(model) if precision == "fp16" else model
    if device == "cuda":
        provider = (provider, provider_options(precision) | options)
        session_options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if apart:
            source = with_explicit_padding(source)
            session_options.add_session_config_entry(*KEEP_EXPLICIT_PADDING)
    runtime = onnxruntime.InferenceSession(
        source, session_options, providers=[provider], enable_fallback=0
    )
    if runtime.get_providers()[0] != PROVIDERS[device]:
        raise RuntimeError(f"ONNX Runtime went on without {PROVIDERS[device]}")
    return runtime


def resident_call(runtime: Any, faces: Faces, device: str) -> Callable[[], object]:
    """Return a call whose input and output stay in the device's memory."""
    value = onnxruntime.OrtValue
    binding = runtime.io_binding()
    binding.bind_ortvalue_input("pixels", value.ortvalue_from_numpy(faces, device, 0))
    shape = (len(faces), WIDTH)
    binding.bind_ortvalue_output(
        "features", value.ortvalue_from_shape_and_type(shape, np.float32, device, 0)
    )

    def call() -> None:
        runtime.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return call


def agreement(run: Run) -> Iterator[Row]:
    """Compare with ONNX Runtime on the CPU, and list what did not run on the device."""
    faces = random_faces(256)
    expected = open_session(run.model, "cpu").features(faces)

    def compare(features: Callable[[], NDArray[np.float32]]) -> Row:
        found = features()
        return {
            "max_abs_difference": float(np.abs(found - expected).max()),
            "min_cosine": float(cosines(found, expected).min()),
        }

    def product(precision: Precision) -> NDArray[np.float32]:
        return open_session(run.model, run.device, precision=precision).features(faces)

    def pytorch(precision: Precision) -> NDArray[np.float32]:
        import gpu_torch

        return gpu_torch.features(gpu_torch.network(run.model, precision, run.device), faces)

    for precision, side in itertools.product(run.precisions, (product, pytorch)):
        row = {"side": side.__name__, "precision": precision}
        yield attempt(row, partial(compare, partial(side, precision)))
    for precision in run.precisions:
        yield attempt({"precision": precision}, partial(placement, run, precision))


def placement(run: Run, precision: Precision) -> Row:
    """Ask ONNX Runtime's profiler where each node ran."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = load(run.model, precision, run.device, profile=Path(folder, "profile"))
        runtime.run(None, {"pixels": random_faces(256)})
        events = json.loads(Path(runtime.end_profiling()).read_text())
    placed = [
        (event["name"], event["args"]["provider"])
        for event in events
        if event["cat"] == "Node" and event["args"].get("provider")
    ]
    elsewhere = [name for name, where in placed if where != PROVIDERS[run.device]]
    return {"nodes": len(placed), "nodes_elsewhere": elsewhere}


def whole_data_set(run: Run) -> Iterator[Row]:
    """Seconds from faces in host memory to features in host memory."""
    faces = run.data_set

    def with_precision(precision: Precision) -> Iterator[Row]:
        session = open_session(run.model, run.device, precision=precision)
        for batch in run.large_batches:
            row = {"precision": precision, "batch": batch, "faces": len(faces)}
            call = partial(session.features, faces, batch_size=batch)
            yield attempt(row, partial(first_and_warm, call))

    for precision in run.precisions:
        yield from guarded({"precision": precision}, with_precision(precision))


def batches_and_bindings(run: Run) -> Iterator[Row]:
    """Images/s of one call: NumPy in and out, device buffers, and the product's session."""

    def numpy_in_and_out(runtime: Any, _: Session, faces: Faces) -> Row:
        call = partial(runtime.run, None, {"pixels": faces})
        return {"images_per_s": len(faces) / seconds_per_call(call)}

    def device_buffers(runtime: Any, _: Session, faces: Faces) -> Row:
        call = resident_call(runtime, faces, run.device)
        return {"images_per_s": len(faces) / seconds_per_call(call)}

    def session_of_8_batches(_: Any, session: Session, faces: Faces) -> Row:
        many = np.tile(faces, (8, 1, 1))
        call = partial(session.features, many, batch_size=len(faces))
        return {"images_per_s": len(many) / seconds_per_call(call)}

    modes = (numpy_in_and_out, device_buffers, session_of_8_batches)

    def with_precision(precision: Precision) -> Iterator[Row]:
        runtime = load(run.model, precision, run.device)
        session = open_session(run.model, run.device, precision=precision)
        for batch, mode in itertools.product(run.batches, modes):
            row = {"precision": precision, "batch": batch, "mode": mode.__name__}
            yield attempt(row, partial(mode, runtime, session, random_faces(batch)))

    for precision in run.precisions:
        yield from guarded({"precision": precision}, with_precision(precision))


def provider_choices(run: Run) -> Iterator[Row]:
    """Images/s with device buffers under other provider options."""
    choices: list[dict[str, Any]] = [
        {"cudnn_conv_algo_search": search, "prefer_nhwc": nhwc}
        for search, nhwc in itertools.product(("HEURISTIC", "EXHAUSTIVE", "DEFAULT"), "01")
    ]
    choices += [{"enable_cuda_graph": "1", "prefer_nhwc": nhwc} for nhwc in "01"]
    choices += [{"apart": False, "prefer_nhwc": nhwc} for nhwc in "01"]

    def measure(precision: Precision, options: dict[str, Any], batch: int) -> Row:
        runtime = load(run.model, precision, "cuda", **options)
        call = resident_call(runtime, random_faces(batch), "cuda")
        return {"first_call_s": seconds(call), "images_per_s": batch / seconds_per_call(call)}

    batches = (ROOFLINE_BATCH,) if run.quick else (ROOFLINE_BATCH, 1)
    for batch, precision, options in itertools.product(batches, run.precisions, choices):
        row = {"precision": precision, "batch": batch, **options}
        yield attempt(row, partial(measure, precision, options, batch))


# --- PyTorch --------------------------------------------------------------------------------------


def pytorch_whole_data_set(run: Run) -> Iterator[Row]:
    """Seconds from host memory to host memory, as `whole_data_set`, eager."""
    import gpu_torch

    faces = run.data_set

    def measure(made: Any, batch: int) -> Row:
        return first_and_warm(gpu_torch.whole_call(made, faces, batch))

    for precision in run.precisions:
        made = gpu_torch.network(run.model, precision, "cuda")
        for batch in run.large_batches:
            row = {"precision": precision, "batch": batch, "faces": len(faces)}
            yield attempt(row, partial(measure, made, batch))


def pytorch(run: Run) -> Iterator[Row]:
    """Images/s of the same network in PyTorch, on device buffers."""
    yield from torch_rates(run, ("eager", "CUDA graph"), run.batches)


def pytorch_compiled(run: Run) -> Iterator[Row]:
    """Images/s of the same network compiled, on device buffers; each takes minutes to compile."""
    mode = "max-autotune-no-cudagraphs" if run.max_autotune else "default"
    yield from torch_rates(run, (mode,), (ROOFLINE_BATCH,))


def torch_rates(run: Run, ways: tuple[str, ...], batches: tuple[int, ...]) -> Iterator[Row]:
    import gpu_torch

    def measure(made: Any, how: str, batch: int) -> Row:
        call = gpu_torch.resident_call(made, random_faces(batch), how)
        return {"first_call_s": seconds(call), "images_per_s": batch / seconds_per_call(call)}

    for precision in run.precisions:
        made = gpu_torch.network(run.model, precision, "cuda")
        for how, batch in itertools.product(ways, batches):
            row = {"precision": precision, "batch": batch, "how": how}
            yield attempt(row, partial(measure, made, how, batch))


# --- what the card could do -----------------------------------------------------------------------


def card(run: Run) -> Iterator[Row]:
    """Measure the card: bytes/s of a device-to-device copy, operations/s of a matrix product."""
    import torch

    def waited(work: Callable[[], object]) -> float:
        def call() -> None:
            work()
            torch.cuda.synchronize()

        return seconds_per_call(call)

    source = torch.randn(2**29, device="cuda")
    copy_s = waited(partial(torch.empty_like(source).copy_, source))
    yield {"what": "copy", "bytes_per_s": 2 * source.nbytes / copy_s}
    side = 8192
    for precision in run.precisions:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        dtype = torch.float16 if precision == "fp16" else torch.float32
        a = torch.randn(side, side, device="cuda", dtype=dtype)
        yield {"what": precision, "ops_per_s": 2 * side**3 / waited(partial(torch.matmul, a, a))}


def convolution_cost(model: Path) -> dict[str, dict[str, int]]:
    """Count a model's convolutions, apart for those in fp32 and in fp16.

    Each reads its input and its weights and writes its output once; everything else could be fused
    into one. Multiply-adds and activations are those of one image, weights those of a batch.
    """
    graph = shape_inference.infer_shapes(onnx.load(model)).graph
    tensors = {
        value.name: value.type.tensor_type
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    kernels = {constant.name: math.prod(constant.dims) for constant in graph.initializer}
    cost: dict[str, dict[str, int]] = {}
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        # Without its first dimension, the batch.
        read, written = (
            math.prod(dim.dim_value for dim in tensors[name].shape.dim[1:])
            for name in (node.input[0], node.output[0])
        )
        channels = tensors[node.output[0]].shape.dim[1].dim_value
        kernel = kernels[node.input[1]]
        half = tensors[node.output[0]].elem_type == TensorProto.FLOAT16
        size = 2 if half else 4
        counts = cost.setdefault(
            "fp16" if half else "fp32", {"macs": 0, "activation_bytes": 0, "weight_bytes": 0}
        )
        counts["macs"] += written * kernel // channels
        counts["activation_bytes"] += size * (read + written)
        counts["weight_bytes"] += size * kernel
    return cost


def roofline(run: Run) -> Iterator[Row]:
    """Set device buffers against the larger of two times: of the bytes, and of the arithmetic.

    The bytes of `convolution_cost` move at the speed of a copy in the card's memory. This is no
    bound: what stays in the card's cache between two convolutions need not move. Small batches,
    whose activations all fit there, are left out.
    """
    needed = {"card", "batches_and_bindings"}
    if not needed <= run.sections.keys():
        raise ValueError(f"measure {' and '.join(sorted(needed))} first")
    speeds = {row.get("what"): row for row in run.sections["card"]}
    for row in run.sections["batches_and_bindings"]:
        precision, batch = row["precision"], row.get("batch", 0)
        if row.get("mode") != "device_buffers" or "failed" in row or batch < ROOFLINE_BATCH:
            continue
        cost = convolution_cost(cached_half(run.model) if precision == "fp16" else run.model)
        bytes_s = arithmetic_s = 0.0
        for kind, counts in cost.items():
            moved = batch * counts["activation_bytes"] + counts["weight_bytes"]
            bytes_s += moved / speeds["copy"]["bytes_per_s"]
            arithmetic = "tf32" if precision == "tf32" else kind
            arithmetic_s += 2 * batch * counts["macs"] / speeds[arithmetic]["ops_per_s"]
        measured_s = batch / row["images_per_s"]
        yield {
            "precision": precision,
            "batch": batch,
            "measured_s": measured_s,
            "bytes_s": bytes_s,
            "arithmetic_s": arithmetic_s,
            "roofline_per_measured": max(bytes_s, arithmetic_s) / measured_s,
        }


# --- the report -----------------------------------------------------------------------------------

ANYWHERE: dict[str, Callable[[Run], Iterator[Row]]] = {
    function.__name__: function for function in (agreement, whole_data_set, batches_and_bindings)
}
SECTIONS = ANYWHERE | {
    function.__name__: function
    for function in (
        card,
        roofline,
        pytorch_whole_data_set,
        pytorch,
        provider_choices,
        pytorch_compiled,
    )
}
"""In the order of their worth; those beyond `ANYWHERE` need CUDA."""


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


def check_model(model: Path) -> None:
    """Refuse a model that the PyTorch side, or the figures of the card, would not match."""
    graph = shape_inference.infer_shapes(onnx.load(model)).graph
    first = next(node.input[0] for node in graph.node if node.op_type == "Conv")
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]
        for value in (*graph.value_info, *graph.output)
    }
    if shapes.get(first) != [3, SIDE, SIDE] or shapes.get("features") != [WIDTH]:
        raise FerFastError(
            f"{model} has other than {SIDE} pixels and {WIDTH:,} features: give what "
            "`fer-fast export` writes by default"
        )


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
    return not any(row.keys() == {"failed"} for row in rows)


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
    check_model(options.model)
    slug = "-".join(name.lower().split()) + ("-quick" if options.quick else "")
    out = options.out or Path(__file__).parent / "results" / f"gpu-{slug}.json"
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
        options.model, options.device, options.quick, options.max_autotune, report["sections"]
    )
    possible = SECTIONS if options.device == "cuda" else ANYWHERE
    chosen = options.only or [
        section for section in possible if not (options.quick and section == "pytorch_compiled")
    ]
    complete = [measured(section, run, save) for section in chosen]
    print(f"\nwrote {out}")
    return 0 if all(complete) else 1


if __name__ == "__main__":
    sys.exit(main())
