"""A run that was killed ends, resumed, as one that never was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killing import ANTS, ID, Run, difference, evaluations, into_final_forests


def after(seconds: float) -> Callable[[Path], bool]:
    start = time.monotonic()
    return lambda _: time.monotonic() - start >= seconds


def lines(n: int) -> Callable[[Path], bool]:
    return lambda out: evaluations(out) >= n


def there(name: str) -> Callable[[Path], bool]:
    return lambda out: (out / name).exists()


def test_a_run_killed_again_and_again_ends_as_one_that_never_was(
    whole: Run, tmp_path: Path
) -> None:
    draw = random.Random(0)
    run = replace(whole, out=tmp_path / "out")
    moments = (
        ("config.toml", after(draw.uniform(0.1, 0.6))),
        ("", there("config.toml")),
        ("", after(draw.uniform(1.0, 1.6))),
        ("", lines(1)),
        ("", lines(2 * ANTS + 2)),
        ("", there("selection.json")),
        ("", into_final_forests(whole, 0.3)),
        ("", into_final_forests(whole, 0.7)),
        ("", there("metrics.json")),
        ("", there("model.onnx")),
    )
    stages = []
    for _, is_time in moments:
        before = evaluations(run.out)
        status, stage = run.kill_when(is_time)
        assert status in (-signal.SIGKILL, 0)
        stages.append(stage)
        # No evaluation that was kept is ever lost.
        assert evaluations(run.out) >= before
    run.finish()
    assert difference(run.out, whole.out) == ""
    assert {path.name for path in run.out.iterdir()} == {path.name for path in whole.out.iterdir()}
    assert "search" in stages
    assert {"final forests", "writing results"} & set(stages)


def test_seeds_that_were_killed_end_as_those_that_never_were(whole: Run, tmp_path: Path) -> None:
    options = [*whole.options, "--seeds", "2", "--iterations", "2"]
    seeds = Run(tmp_path / "whole", options, whole.cache)
    seeds.finish()
    run = replace(seeds, out=tmp_path / "out")
    first, second = (run.out / f"seed-{seed}" for seed in range(2))
    status, _ = run.kill_when(lambda _: evaluations(first) >= 2, number=signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert not second.exists()
    ended = run.kill_when(lambda _: evaluations(second) >= 2)
    assert ended[0] == -signal.SIGKILL
    assert not (run.out / "seeds.json").exists()
    before = (first / "model.onnx").stat().st_mtime_ns
    said = run.finish()
    assert f"the run in {first} has ended" in said
    assert "evaluations are known" in said
    assert (first / "model.onnx").stat().st_mtime_ns == before
    for one in (first, second):
        assert difference(one, seeds.out / one.name) == ""
    summaries = [ID.sub(b"", (out / "seeds.json").read_bytes()) for out in (run.out, seeds.out)]
    assert summaries[0] == summaries[1]


def test_sigterm_says_how_to_go_on_and_so_it_does(whole: Run, tmp_path: Path) -> None:
    run = replace(whole, out=tmp_path / "out")
    status, stage = run.kill_when(lines(3), number=signal.SIGTERM)
    assert (status, stage) == (128 + signal.SIGTERM, "search")
    said = run.finish()
    assert "evaluations are known" in said
    assert difference(run.out, whole.out) == ""


def test_a_run_that_has_ended_is_left_as_it_is(whole: Run) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in whole.out.iterdir()}
    assert "nothing to resume" in whole.finish()
    assert {path.name: path.stat().st_mtime_ns for path in whole.out.iterdir()} == before


def test_a_second_process_is_told_and_leaves(whole: Run, tmp_path: Path) -> None:
    run = replace(whole, out=tmp_path / "out")
    first = run.start()
    try:
        while not (run.out / "config.toml").exists():
            assert first.poll() is None
            time.sleep(0.005)
        first.send_signal(signal.SIGSTOP)
        second = run.start()
        _, said = second.communicate(timeout=300)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert f"error: another fer-fast is running in {run.out}" in said


def test_other_data_and_other_settings_are_refused(whole: Run, tmp_path: Path) -> None:
    run = replace(whole, out=tmp_path / "out")
    run.kill_when(lines(2))
    kept = (run.out / "evaluations.jsonl").read_bytes()
    data = Path(run.options[1])
    config = run.out / "config.toml"
    original = config.read_text()

    other = tmp_path / "other.npz"
    with np.load(data) as arrays:
        changed = dict(arrays)
    changed["pixels"] = changed["pixels"][::-1]
    np.savez(other, **changed)
    for text, difference_said in (
        (original.replace(str(data), str(other)), "data was"),
        (original.replace("trees = 150", "trees = 151"), "trees was 150 and is 151"),
    ):
        config.write_text(text)
        process = run.start()
        _, said = process.communicate(timeout=300)
        assert process.returncode == 2
        assert difference_said in said
        assert (run.out / "evaluations.jsonl").read_bytes() == kept


def test_a_disk_that_fills_up_midway_costs_only_what_was_not_kept(
    whole: Run, tmp_path: Path
) -> None:
    # A limit on the size of files refuses writes as a full disk does, and needs no privileges.
    run = replace(whole, out=tmp_path / "out")
    limited = (
        "import resource, sys; from fer_fast.cli.main import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY)); "
        "sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", limited, "pipeline", *run.options, "--out", str(run.out)],
        env=os.environ | {"FER_FAST_CACHE": str(run.cache)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 2
    assert "error: cannot write" in process.stderr
    assert "could be resumed from here only" in process.stderr
    assert 0 < evaluations(run.out) < evaluations(whole.out)
    said = run.finish()
    assert f"{evaluations(run.out):,} evaluations" not in said
    assert difference(run.out, whole.out) == ""


def test_a_disk_that_is_full_is_one_sentence_and_room_on_it_is_enough_to_go_on(
    whole: Run, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may mount no small file system")
    try:
        run = replace(whole, out=disk / "out")
        process = run.start()
        _, said = process.communicate(timeout=300)
        assert process.returncode == 2
        assert "error: cannot write" in said
        assert "No space left on device" in said
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        run.finish()
        assert difference(run.out, whole.out) == ""
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_turned_read_only_is_one_sentence(whole: Run, tmp_path: Path) -> None:
    run = replace(whole, out=tmp_path / "out")
    run.kill_when(lines(2))
    run.out.chmod(0o555)
    try:
        if os.access(run.out, os.W_OK):
            pytest.skip("this user may write into a read-only folder")
        process = run.start()
        _, said = process.communicate(timeout=300)
    finally:
        run.out.chmod(0o755)
    assert process.returncode == 2
    assert "error: cannot write into --out" in said
    assert "Traceback" not in said
    run.finish()
    assert difference(run.out, whole.out) == ""


def test_a_result_whose_name_is_taken_is_one_sentence_and_then_resumed(
    whole: Run, tmp_path: Path
) -> None:
    run = replace(whole, out=tmp_path / "out")
    run.kill_when(lines(2))
    (run.out / "model.onnx").mkdir()
    process = run.start()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "model.onnx, which is a folder" in said
    (run.out / "model.onnx").rmdir()
    run.finish()
    assert difference(run.out, whole.out) == ""
