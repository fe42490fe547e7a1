"""How many CPUs a process may keep busy, whoever says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fer_fast import environment
from fer_fast.environment import available_cpus


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in the place of the control groups', on a machine of 64 CPUs."""
    monkeypatch.setattr(environment, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(environment, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return tmp_path / "groups"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("max 100000", 64),
        ("9900000 100000", 64),
        ("nonsense", 64),
        ("1 0", 64),
    ],
)
def test_a_containers_quota_bounds_the_cpus(
    groups: Path, tmp_path: Path, quota: str, cpus: int
) -> None:
    put(tmp_path / "membership", "0::/\n")
    put(groups / "cpu.max", f"{quota}\n")
    assert available_cpus() == cpus


def test_the_least_of_the_groups_around_a_process_counts(groups: Path, tmp_path: Path) -> None:
    put(tmp_path / "membership", "0::/user.slice/run-1.scope\n")
    put(groups / "user.slice" / "run-1.scope" / "cpu.max", "max 100000\n")
    put(groups / "user.slice" / "cpu.max", "300000 100000\n")
    put(groups / "other.slice" / "cpu.max", "100000 100000\n")
    assert available_cpus() == 3
    put(groups / "user.slice" / "run-1.scope" / "cpu.max", "200000 100000\n")
    assert available_cpus() == 2


@pytest.mark.parametrize("inside", ["", "docker/0af1"])
def test_the_first_version_of_control_groups_is_read_too(
    groups: Path, tmp_path: Path, inside: str
) -> None:
    put(tmp_path / "membership", f"9:memory:/{inside}\n4:cpu,cpuacct:/docker/0af1\n")
    put(groups / "cpu" / inside / "cpu.cfs_quota_us", "500000\n")
    put(groups / "cpu" / inside / "cpu.cfs_period_us", "100000\n")
    put(groups / "memory" / inside / "cpu.cfs_quota_us", "100000\n")
    put(groups / "memory" / inside / "cpu.cfs_period_us", "100000\n")
    assert available_cpus() == 5
    put(groups / "cpu" / inside / "cpu.cfs_quota_us", "-1\n")
    assert available_cpus() == 64


def test_the_affinity_bounds_the_cpus(
    groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without control groups at all.
    assert available_cpus() == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert available_cpus() == 2
    put(tmp_path / "membership", "0::/\n")
    put(groups / "cpu.max", "100000 100000\n")
    assert available_cpus() == 1
