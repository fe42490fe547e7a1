"""Measure features on a GPU, against PyTorch and against what the card could do.

Prints tables and writes JSON. All faces are random bytes: speed does not depend on them.

    bench/gpu.sh MODEL.onnx [--quick] [--out FILE]
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
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from fer_fast.backbone import Precision, Session, open_session
from fer_fast.backbone.cuda import provider_options
from fer_fast.backbone.half import cached_half
from fer_fast.errors import DeviceError

FER2013_FACES = 35_887
BATCHES = (1, 8, 64, 256, 1024, 2048, 4096, 8192)
QUICK_BATCHES = (1, 64, 1024)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Rows = list[dict[str, Any]]


def random_faces(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), dtype=np.uint8)


def seconds_per_call(call: Callable[[], object], budget: float = 0.5) -> float:
    """Return the median seconds of a call that ends when its work has."""
    for _ in range(3):
        call()
    laps: list[float] = []
    while len(laps) < 5 or (sum(laps) < budget and len(laps) < 200):
        start = time.perf_counter()
        call()
        laps.append(time.perf_counter() - start)
    return statistics.median(laps)


def attempt(row: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Add a measurement to a row, or the reason why there is none."""
    try:
        return row | measure()
    except Exception as error:
        # One variant that this card or this PyTorch refuses must not cost the others.
        return row | {"failed": f"{type(error).__name__}: {error}"[:300]}


# --- ONNX Runtime ---------------------------------------------------------------------------------


def load(model: Path, precision: Precision, device: str, **options: str) -> Any:
    """Open a model with the product's provider options and others on top."""
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        providers = [("CUDAExecutionProvider", provider_options(precision) | options)]
        session_options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    path = cached_half(model) if precision == "fp16" else model
    return onnxruntime.InferenceSession(path, session_options, providers=providers)


def resident_call(runtime: Any, batch: int, device: str) -> Callable[[], object]:
    """Return a call whose input and output stay in the device's memory."""
    width = runtime.get_outputs()[0].shape[-1]
    ort_value = onnxruntime.OrtValue
    binding = runtime.io_binding()
    binding.bind_ortvalue_input(
        "pixels", ort_value.ortvalue_from_numpy(random_faces(batch), device, 0)
    )
    binding.bind_ortvalue_output(
        "features", ort_value.ortvalue_from_shape_and_type((batch, width), np.float32, device, 0)
    )
    return lambda: runtime.run_with_iobinding(binding)


def batches_and_bindings(model: Path, device: str, batches: tuple[int, ...]) -> Rows:
    """Images/s of one call: NumPy in and out, device buffers, and the product's session."""
    rows: Rows = []
    for precision in PRECISIONS if device == "cuda" else ("fp32",):
        runtime = load(model, precision, device)
        session = open_session(model, device, precision=precision)
        for batch in batches:
            faces = random_faces(batch)
            many = random_faces(min(max(8 * batch, 2048), 4 * 8192))
            modes: dict[str, tuple[int, Callable[[], object]]] = {
                "NumPy in and out": (batch, lambda f=faces, r=runtime: r.run(None, {"pixels": f})),
                "device buffers": (batch, resident_call(runtime, batch, device)),
                "session": (
                    len(many),
                    lambda m=many, b=batch, s=session: s.features(m, batch_size=b),
                ),
            }
            for mode, (images, call) in modes.items():
                row = {"precision": precision, "batch": batch, "mode": mode}
                rows.append(
                    attempt(
                        row,
                        lambda n=images, c=call: {"images_per_s": n / seconds_per_call(c)},
                    )
                )
    return rows


def provider_choices(model: Path, batches: tuple[int, ...]) -> Rows:
    """Images/s with device buffers under other provider options."""
    choices = [
        {"cudnn_conv_algo_search": search, "prefer_nhwc": nhwc}
        for search, nhwc in itertools.product(("HEURISTIC", "EXHAUSTIVE", "DEFAULT"), "01")
    ]
    choices += [{"enable_cuda_graph": "1", "prefer_nhwc": nhwc} for nhwc in "01"]
    rows: Rows = []
    for precision, options, batch in itertools.product(PRECISIONS, choices, batches):

        def measure(p: Any = precision, o: Any = options, b: int = batch) -> dict[str, Any]:
            call = resident_call(load(model, p, "cuda", **o), b, "cuda")
            start = time.perf_counter()
            call()
            first = time.perf_counter() - start
            return {"first_call_s": first, "images_per_s": b / seconds_per_call(call)}

        rows.append(attempt({"precision": precision, "batch": batch, **options}, measure))
    return rows


def whole_data_set(model: Path, device: str, batches: tuple[int, ...], n: int) -> Rows:
    """Seconds from faces in host memory to features in host memory."""
    faces = random_faces(n)
    rows: Rows = []
    for precision in PRECISIONS if device == "cuda" else ("fp32",):
        session = open_session(model, device, precision=precision)
        for batch in batches:

            def measure(s: Session = session, b: int = batch) -> dict[str, Any]:
                laps = []
                for _ in range(4):
                    start = time.perf_counter()
                    s.features(faces, batch_size=b)
                    laps.append(time.perf_counter() - start)
                return {"first_s": laps[0], "warm_s": statistics.median(laps[1:]), "faces": n}

            rows.append(attempt({"precision": precision, "batch": batch}, measure))
    return rows


def agreement(model: Path) -> dict[str, Any]:
    """Compare CUDA with the CPU, and list what did not run on CUDA."""
    faces = random_faces(256)
    expected = open_session(model, "cpu").features(faces)
    found: dict[str, Any] = {}
    for precision in PRECISIONS:
        features = open_session(model, "cuda", precision=precision).features(faces)
        norms = np.linalg.norm(features, axis=1) * np.linalg.norm(expected, axis=1)
        found[precision] = {
            "max_abs_difference": float(np.abs(features - expected).max()),
            "min_cosine": float(((features * expected).sum(axis=1) / norms).min()),
        }
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        providers = [("CUDAExecutionProvider", provider_options("fp32")), "CPUExecutionProvider"]
        runtime = onnxruntime.InferenceSession(model, options, providers=providers)
        runtime.run(None, {"pixels": faces})
        events = json.loads(Path(runtime.end_profiling()).read_text())
    placed = [
        (event["name"], event["args"]["provider"])
        for event in events
        if event["cat"] == "Node" and event["args"].get("provider")
    ]
    found["nodes"] = len(placed)
    found["nodes_off_cuda"] = [name for name, where in placed if where != "CUDAExecutionProvider"]
    return found


# --- PyTorch --------------------------------------------------------------------------------------


def torch_network(precision: Precision) -> Any:
    """Return torchvision's MobileNetV2 from uint8 (n, 48, 48) to features, channels last."""
    import torch
    import torchvision

    dtype = torch.float16 if precision == "fp16" else torch.float32
    base = torchvision.models.mobilenet_v2(weights=None).features

    class FromPixels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = base

        def forward(self, pixels: Any) -> Any:
            images = pixels.to(dtype).div(127.5).sub(1).unsqueeze(1).expand(-1, 3, -1, -1)
            images = images.contiguous(memory_format=torch.channels_last)
            return self.base(images).flatten(1).float()

    network = FromPixels().eval().cuda().to(dtype)
    return network.to(memory_format=torch.channels_last)


def torch_call(network: Any, batch: int, how: str) -> Callable[[], object]:
    """Return a call that runs the network on device buffers and waits for it."""
    import torch

    pixels = torch.from_numpy(random_faces(batch)).cuda()
    if how == "compile":
        network = torch.compile(network, mode="max-autotune-no-cudagraphs")
    replay: Callable[[], object] = lambda: network(pixels)  # noqa: E731
    if how == "eager + CUDA graph":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                network(pixels)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            network(pixels)
        replay = graph.replay

    def call() -> None:
        with torch.inference_mode():
            replay()
        torch.cuda.synchronize()

    return call


def pytorch(batches: tuple[int, ...], compiled_batches: tuple[int, ...]) -> Rows:
    """Images/s of the same network in PyTorch, on device buffers."""
    import torch

    torch.backends.cudnn.benchmark = True
    rows: Rows = []
    for precision in PRECISIONS:
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        network = torch_network(precision)
        for how in ("eager", "eager + CUDA graph", "compile"):
            for batch in compiled_batches if how == "compile" else batches:

                def measure(n: Any = network, b: int = batch, h: str = how) -> dict[str, Any]:
                    with torch.inference_mode():
                        call = torch_call(n, b, h)
                    return {"images_per_s": b / seconds_per_call(call)}

                rows.append(attempt({"precision": precision, "batch": batch, "how": how}, measure))
    return rows


def pytorch_whole(batches: tuple[int, ...], n: int) -> Rows:
    """Seconds from host memory to host memory, as `whole_data_set`, eager."""
    import torch

    torch.backends.cudnn.benchmark = True
    faces = torch.from_numpy(random_faces(n)).pin_memory()
    rows: Rows = []
    for precision in PRECISIONS:
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        network = torch_network(precision)
        for batch in batches:

            def measure(net: Any = network, b: int = batch) -> dict[str, Any]:
                laps = []
                for _ in range(4):
                    start = time.perf_counter()
                    out = torch.empty(n, 5120)
                    with torch.inference_mode():
                        for i in range(0, n, b):
                            pixels = faces[i : i + b].cuda(non_blocking=True)
                            out[i : i + b].copy_(net(pixels))
                    torch.cuda.synchronize()
                    laps.append(time.perf_counter() - start)
                return {"first_s": laps[0], "warm_s": statistics.median(laps[1:]), "faces": n}

            rows.append(attempt({"precision": precision, "batch": batch}, measure))
    return rows


# --- what the card could do -----------------------------------------------------------------------


def cost_per_image(model: Path) -> dict[str, float]:
    """Count multiply-adds and the elements that convolutions read and write, from the graph.

    Each convolution reads its input and its weights and writes its output once; everything else
    could be fused into one. Weights count per batch, not per image, and are given apart.
    """
    graph = onnx.shape_inference.infer_shapes(onnx.load(model)).graph
    shapes = {
        value.name: [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {constant.name: list(constant.dims) for constant in graph.initializer}
    macs = activations = weights = 0
    for node in graph.node:
        if node.op_type == "Conv":
            read, kernel, written = (
                shapes[name] for name in (node.input[0], node.input[1], node.output[0])
            )
            macs += math.prod(written) * math.prod(kernel[1:])
            activations += math.prod(read) + math.prod(written)
            weights += math.prod(kernel)
    return {"macs": macs, "activation_elements": activations, "weight_elements": weights}


def ceilings() -> dict[str, float]:
    """Measure the card: bytes/s of a device-to-device copy, operations/s of a matrix product."""
    import torch

    def waited(work: Callable[[], object]) -> float:
        def call() -> None:
            work()
            torch.cuda.synchronize()

        return seconds_per_call(call)

    source = torch.randn(2**29, device="cuda")
    target = torch.empty_like(source)
    found = {"copy_bytes_per_s": 2 * source.nbytes / waited(lambda: target.copy_(source))}
    side = 8192
    for precision in PRECISIONS:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        dtype = torch.float16 if precision == "fp16" else torch.float32
        a = torch.randn(side, side, device="cuda", dtype=dtype)
        found[f"{precision}_ops_per_s"] = 2 * side**3 / waited(lambda m=a: m @ m)
    return found


def floors(cost: dict[str, float], card: dict[str, float], rows: Rows) -> Rows:
    """Set each device-buffer measurement against the larger of the two times it cannot beat."""
    result: Rows = []
    for row in rows:
        if row["mode"] != "device buffers" or "failed" in row:
            continue
        size = 2 if row["precision"] == "fp16" else 4
        batch = row["batch"]
        elements = batch * cost["activation_elements"] + cost["weight_elements"]
        bytes_s = elements * size / card["copy_bytes_per_s"]
        arithmetic_s = 2 * batch * cost["macs"] / card[f"{row['precision']}_ops_per_s"]
        result.append(
            {
                "precision": row["precision"],
                "batch": batch,
                "measured_s": batch / row["images_per_s"],
                "bytes_s": bytes_s,
                "arithmetic_s": arithmetic_s,
                "limit": "bytes" if bytes_s > arithmetic_s else "arithmetic",
                "fraction_of_floor": max(bytes_s, arithmetic_s) * row["images_per_s"] / batch,
            }
        )
    return result


# --- the report -----------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        gpu = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        gpu = f"unknown ({error})"
    found = {"gpu": gpu, "python": platform.python_version(), "numpy": np.__version__}
    found["onnxruntime"] = onnxruntime.__version__
    try:
        import torch
    except ImportError:
        return found
    return found | {"torch": torch.__version__}


def print_table(title: str, rows: Rows) -> None:
    print(f"\n{title}")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [columns] + [
        [f"{v:,.4g}" if isinstance(v := row.get(key, ""), float) else str(v) for key in columns]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="what `fer-fast export` wrote")
    parser.add_argument("--quick", action="store_true", help="few batch sizes, nothing compiled")
    parser.add_argument("--out", type=Path, help="default: bench/results/gpu-<name>.json")
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu only tries this script out"
    )
    options = parser.parse_args()
    batches = QUICK_BATCHES if options.quick else BATCHES
    report: dict[str, Any] = {"machine": machine(), "quick": options.quick}

    def section(name: str, rows: Rows) -> Rows:
        report[name] = rows
        print_table(name.replace("_", " "), rows)
        return rows

    print(json.dumps(report["machine"], indent=2))
    cuda = options.device == "cuda"
    name = "cpu"
    if cuda:
        try:
            name = open_session(options.model, "cuda").device.partition(":")[2]
        except DeviceError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        report["agreement"] = agreement(options.model)
        print(json.dumps(report["agreement"], indent=2))
    large = tuple(batch for batch in batches if batch >= 256)
    faces = FER2013_FACES if cuda else 2048
    section("whole_data_set", whole_data_set(options.model, options.device, large, faces))
    throughput = section(
        "batches_and_bindings", batches_and_bindings(options.model, options.device, batches)
    )
    report["cost_per_image"] = cost_per_image(options.model)
    print(json.dumps(report["cost_per_image"]))
    if cuda:
        report["card"] = ceilings()
        section("floors", floors(report["cost_per_image"], report["card"], throughput))
        section("provider_choices", provider_choices(options.model, (1, 1024)))
        section("pytorch_whole_data_set", pytorch_whole(large, faces))
        section("pytorch", pytorch(batches, () if options.quick else (1, 1024, 4096)))
    slug = "-".join(name.lower().split()) + ("-quick" if options.quick else "")
    out = options.out or Path(__file__).parent / "results" / f"gpu-{slug}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nwrote {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
