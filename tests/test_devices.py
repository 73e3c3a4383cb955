"""How many cores there are for us, in made-up containers; and that threads are as they were after one was enough."""

import os
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info

from reverie import devices
from reverie.devices import num_cores, one_thread

MANY = 64


@pytest.fixture(autouse=True)
def _many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "process_cpu_count", lambda: MANY, raising=False)


def kernel(root: Path, membership: str, files: dict[str, str]) -> Path:
    """A root with the kernel's files: /proc/self/cgroup, and those below /sys/fs/cgroup."""
    for name, content in {
        "proc/self/cgroup": membership,
        **{f"sys/fs/cgroup/{k}": v for k, v in files.items()},
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


V1 = "12:cpuset:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n"


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "max 100000\n"}, MANY),
        ("0::/\n", {"cpu.max": "900000000 100000\n"}, MANY),
        ("0::/\n", {"cpu.max": ""}, MANY),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "200000 100000\n"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 50000\n", "a/cpu.max": "800000 100000\n"}, 2),
        ("0::/of/the/host\n", {"cpu.max": "150000 100000\n"}, 2),
        (V1, {"cpu,cpuacct/box/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n"}, 1),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, {"cpu/box/cpu.cfs_quota_us": "110000\n", "cpu/box/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, MANY),
        ("", {}, MANY),
        ("nonsense\n", {"cpu.max": "1 2 3 4"}, MANY),
    ],
)
def test_a_container_s_quota_counts(membership: str, files: dict[str, str], cores: int, tmp_path: Path) -> None:
    assert num_cores(kernel(tmp_path, membership, files)) == cores


def test_a_system_without_these_files(tmp_path: Path) -> None:
    assert num_cores(tmp_path) == MANY


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins nobody")
def test_without_process_cpu_count_the_cores_that_it_is_pinned_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6})
    assert num_cores(tmp_path) == 3


def test_one_thread_and_then_as_before() -> None:
    before, torchs = [pool["num_threads"] for pool in threadpool_info()], torch.get_num_threads()
    for libraries in (None, devices.ThreadpoolController()):
        with one_thread(libraries):
            assert torch.get_num_threads() == 1
            assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert [pool["num_threads"] for pool in threadpool_info()] == before
        assert torch.get_num_threads() == torchs
