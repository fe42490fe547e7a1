"""What the real CUDA provider is seen to do on stand-ins for a device: all but arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest
from stand_ins import OnStandIns

PRECISIONS = ("fp32", "tf32", "fp16")


@pytest.mark.parametrize(("n_faces", "batch_size"), [(10, 2), (101, 7), (1, None), (3000, None)])
def test_every_face_gets_features_of_its_own_over_batches_and_lanes(
    on_stand_ins: OnStandIns, copying_model: Path, n_faces: int, batch_size: int | None
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(copying_model)!r}), "cuda")
for first in (0, 100):
    features = session.features(numbered({n_faces}, first), batch_size={batch_size})
    print(is_numbered(features, first))
""")
    assert printed.split() == ["True", "True"]


def test_threads_that_share_a_session_get_their_own_features(
    on_stand_ins: OnStandIns, copying_model: Path
) -> None:
    printed = on_stand_ins(f"""
from concurrent.futures import ThreadPoolExecutor
session = open_session(Path({str(copying_model)!r}), "cuda")
def ask(first):
    sizes = (1 + first % 40, 3)
    asked = (session.features(numbered(n, first), batch_size=7) for n in sizes)
    return all(is_numbered(features, first) for features in asked)
with ThreadPoolExecutor(4) as pool:
    print(all(pool.map(ask, range(100))))
""")
    assert printed.split() == ["True"]


def test_features_that_nobody_waited_for_would_be_noticed(
    on_stand_ins: OnStandIns, copying_model: Path
) -> None:
    """The stand-ins are as late as CUDA may be: an output read too early is rubbish."""
    printed = on_stand_ins(f"""
import onnxruntime
from fer_fast.runtime.lanes import Lanes, Plan
class Careless:
    def __init__(self, runtime):
        self.runtime, self.io_binding = runtime, runtime.io_binding
        self.options = onnxruntime.RunOptions()
        self.options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    def run_with_iobinding(self, binding):
        self.runtime.run_with_iobinding(binding, self.options)
session = open_session(Path({str(copying_model)!r}), "cuda")
runtime = session._opened._lanes._runtime
for waits in (runtime, Careless(runtime)):
    out = np.empty((6, session.n_features), np.float32)
    list(Lanes(waits, Plan("cuda", 2, 1), session.n_features).compute(numbered(6), out, 2))
    print(is_numbered(out))
""")
    assert printed.split() == ["True", "False"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_node_of_every_model_is_placed_on_cuda(
    on_stand_ins: OnStandIns, products: dict[str, Path], precision: str
) -> None:
    models = {name: str(path) for name, path in products.items()}
    printed = on_stand_ins(f"""
from placement import on_cuda, placed_nodes
for name, model in {models!r}.items():
    nodes = placed_nodes(Path(model), {precision!r}, on_cuda({precision!r}), Path("."))
    convolutions = sum(operator in ("Conv", "FusedConv") for operator, _ in nodes)
    print(name, convolutions, *{{provider for _, provider in nodes}})
print(cudnn.stand_in_uneven_pads())
""")
    *lines, uneven_pads = printed.splitlines()
    assert {line.split()[0] for line in lines} == products.keys()
    for line in lines:
        _, convolutions, *providers = line.split()
        assert int(convolutions) >= 40
        assert providers == ["CUDAExecutionProvider"]
    # On some devices cuDNN has no algorithm for padding that differs from side to side.
    assert uneven_pads == "0"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_tensor_cores_are_used_by_tf32_and_fp16_and_never_by_fp32(
    on_stand_ins: OnStandIns, random_model: Path, precision: str
) -> None:
    printed = on_stand_ins(f"""
open_session(Path({str(random_model)!r}), "cuda", precision={precision!r}).features(numbered(3))
count = cudnn.stand_in_executed
print(count(0, 0), count(0, 1), count(1, 0), count(1, 1))
""")
    plain, tensor, half_plain, half_tensor = map(int, printed.split())
    n_half = 49 if precision == "fp16" else 0
    assert (half_plain, half_tensor) == (0, n_half)
    n_single = 52 - n_half
    assert (plain, tensor) == ((n_single, 0) if precision == "fp32" else (0, n_single))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_hundred_calls_leave_nothing_behind(
    on_stand_ins: OnStandIns, random_model: Path, jobs: int
) -> None:
    printed = on_stand_ins(f"""
def held():
    kinds = ["host_blocks", "host_blocks_made", "streams", "streams_made"]
    # Lanes that run at one time may, late, hold more at one time than ever before.
    kinds += ["device_bytes", "device_blocks"] if {jobs} == 1 else []
    return [*map(get, kinds), cudnn.stand_in_handles(), cublas.stand_in_handles()]
session = open_session(Path({str(random_model)!r}), "cuda", jobs={jobs})
for _ in range(5):
    session.features(numbered(100), batch_size=16)
after_5 = held()
for _ in range(100):
    session.features(numbered(100), batch_size=16)
print(held() == after_5, get("streams"))
""")
    assert printed.split() == ["True", str(jobs)]


def test_a_session_that_ends_gives_everything_back(
    on_stand_ins: OnStandIns, random_model: Path
) -> None:
    printed = on_stand_ins(f"""
import gc
for _ in range(3):
    session = open_session(Path({str(random_model)!r}), "cuda")
    session.features(numbered(100), batch_size=16)
    del session
    gc.collect()
    kinds = ("device_bytes", "device_blocks", "host_blocks", "streams", "waiting")
    print(*map(get, kinds), cudnn.stand_in_handles(), cublas.stand_in_handles())
""")
    first, *later = printed.splitlines()
    # One block is the process's.
    assert first.split()[1:] == ["1", "0", "0", "0", "0", "0"]
    assert later == [first, first]


def test_calls_with_few_faces_are_planned_once(
    on_stand_ins: OnStandIns, random_model: Path
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(random_model)!r}), "cuda")
for n in (1, 2, 3, 2, 16, 5):
    session.features(numbered(n))
    print(cudnn.stand_in_planned())
""")
    assert printed.split() == ["52"] * 6


@pytest.mark.parametrize("name", ["48", "160", "head"])
def test_a_batch_takes_the_memory_that_was_planned(
    on_stand_ins: OnStandIns, products: dict[str, Path], name: str
) -> None:
    printed = on_stand_ins(f"""
from fer_fast.graph.cost import face_bytes
model = Path({str(products[name])!r})
session = open_session(model, "cuda")
before, n = get("device_bytes"), 2 * session.plan.lanes * 16
for _ in range(3):
    session.features(numbered(n), batch_size=16)
taken = (get("device_bytes") - before) / (session.plan.lanes * 16)
print(taken / face_bytes(model), session.plan.batch_size)
""")
    share, batch_size = printed.split()
    assert 0.3 < float(share) < 1.1
    assert int(batch_size) == {"48": 1024, "160": 64, "head": 32}[name]


def test_less_free_memory_means_fewer_lanes_and_fewer_faces(
    on_stand_ins: OnStandIns, products: dict[str, Path]
) -> None:
    printed = on_stand_ins(f"""
for mebibytes in (80_000, 4_000, 1_000, 500, 10):
    put("free", mebibytes << 20)
    for jobs in (8, 3, 1):
        plan = open_session(Path({str(products["160"])!r}), "cuda", jobs=jobs).plan
        print(plan.batch_size, plan.lanes, end=", ")
    print()
""")
    assert printed.splitlines() == [
        "64 4, 64 2, 64 1, ",
        "64 2, 64 2, 64 1, ",
        "16 2, 16 2, 32 1, ",
        "16 1, 16 1, 16 1, ",
        "1 1, 1 1, 1 1, ",
    ]


def test_a_batch_without_room_is_halved_aloud_and_the_features_are_right(
    on_stand_ins: OnStandIns, copying_model: Path
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(copying_model)!r}), "cuda", reporter=Reporter())
steps = []
put("limit", 30 << 20)
for _ in range(2):
    print(is_numbered(session.features(numbered(5000), batch_size=2000, advance=steps.append)))
print(sum(steps))
""")
    lines = printed.splitlines()
    # Which lane meets the limit is up to the scheduler: the second call may have to halve again.
    warnings = [line for line in lines if line.startswith("warning: device: batches of ")]
    assert [line for line in lines if line not in warnings] == ["True", "True", "10000"]
    assert warnings
    assert warnings[0].startswith(
        "warning: device: batches of 1000 faces instead of 2000, because "
    )


def test_threads_that_share_a_session_survive_that_its_batch_is_halved(
    on_stand_ins: OnStandIns, copying_model: Path
) -> None:
    printed = on_stand_ins(f"""
from concurrent.futures import ThreadPoolExecutor
session = open_session(Path({str(copying_model)!r}), "cuda", reporter=Reporter())
put("limit", 30 << 20)
def ask(first):
    return is_numbered(session.features(numbered(3000, first), batch_size=2000), first)
with ThreadPoolExecutor(4) as pool:
    print(all(pool.map(ask, range(8))))
""")
    *warnings, last = printed.splitlines()
    assert last == "True"
    assert warnings
    assert all("faces instead of" in warning for warning in warnings)


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_device_without_room_for_one_face_fails_or_is_left_aloud(
    on_stand_ins: OnStandIns, copying_model: Path, device: str
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(copying_model)!r}), {device!r}, reporter=Reporter())
put("limit", 0)
try:
    print(is_numbered(session.features(numbered(40), batch_size=2)), session.device)
except DeviceError as error:
    print("error:", error)
""")
    halved, *left, last = printed.splitlines()
    assert halved.startswith("warning: device: batches of 1 faces instead of 2")
    if device == "cuda":
        assert left == []
        assert last.startswith("error: cuda:Stand-in has no room for one face: ")
    else:
        assert left[0].startswith("warning: device: cpu from here on, because ")
        assert last == "True cpu"


@pytest.mark.parametrize("model", ["copying_model", "random_model"])
def test_memory_that_runs_out_at_any_allocation_costs_a_sentence_at_most(
    on_stand_ins: OnStandIns, model: str, request: pytest.FixtureRequest
) -> None:
    printed = on_stand_ins(f"""
model = Path({str(request.getfixturevalue(model))!r})
sound = {model == "copying_model"}
for nth in (*range(1, 12), *range(12, 200, 17)):
    put("fail_at", nth)
    try:
        session = open_session(model, "cuda")
        features = session.features(numbered(40), batch_size=8)
        assert not sound or is_numbered(features)
    except DeviceError as error:
        print(error)
    put("fail_at", -1)
    features = open_session(model, "cuda").features(numbered(40), batch_size=8)
    assert not sound or is_numbered(features)
print("end")
""")
    *errors, end = printed.splitlines()
    assert end == "end"
    assert errors
    for error in errors:
        assert "memory" in error
        assert "onnxruntime::" not in error


@pytest.mark.parametrize("launches", [0, 1, 3])
@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_driver_that_disappears_fails_or_is_left_aloud(
    on_stand_ins: OnStandIns, copying_model: Path, device: str, launches: int
) -> None:
    printed = on_stand_ins(f"""
session = open_session(Path({str(copying_model)!r}), {device!r}, reporter=Reporter())
steps = []
put("lost_after", {launches})
try:
    features = session.features(numbered(40), batch_size=2, advance=steps.append)
    print(is_numbered(features), session.device, sum(steps))
    print(is_numbered(session.features(numbered(40))))
except DeviceError as error:
    print("error:", error)
""")
    lines = printed.splitlines()
    if device == "cuda":
        assert len(lines) == 1
        assert lines[0].startswith("error: cuda:Stand-in: ")
        assert "46" in lines[0] or "gone" in lines[0]
    else:
        assert lines[0].startswith("warning: device: cpu from here on, because cuda:Stand-in: ")
        assert lines[1:] == ["True cpu 40", "True"]


@pytest.mark.parametrize(
    ("capability", "usable"),
    [("70", False), ("75", True), ("86", True), ("90", True), ("100", False), ("120", True)],
)
def test_a_device_that_onnx_runtime_has_no_code_for_is_named(
    on_stand_ins: OnStandIns, copying_model: Path, capability: str, usable: bool
) -> None:
    printed = on_stand_ins(
        f"print(open_session(Path({str(copying_model)!r}), reporter=Reporter()).device)",
        STAND_IN_CAPABILITY=capability,
    )
    *notes, device = printed.splitlines()
    if usable:
        assert (notes, device) == ([], "cuda:Stand-in")
    else:
        assert device == "cpu"
        asked = f"compute capability {int(capability) // 10}.{int(capability) % 10}"
        assert asked in notes[0]


def test_doctor_finds_a_device_that_computes_nothing(on_stand_ins: OnStandIns) -> None:
    printed = on_stand_ins("""
from fer_fast.doctor import diagnose
checks = {check.name: check for check in diagnose()}
for name in ("CUDA build", "GPU", "libcudnn.so.9", "CUDA provider", "--device cuda"):
    print(name, checks[name].ok, checks[name].fix)
""")
    *pieces, verdict = printed.splitlines()
    assert [piece.split()[-1] for piece in pieces] == ["True"] * 4
    assert verdict.startswith("--device cuda False cuda:Stand-in computes sums that are wrong by")
