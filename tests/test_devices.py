"""What there is for us, on made-up machines: cores, arithmetic; and threads are as they were after one was enough."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from reverie import devices
from reverie.devices import autocast, fast_precision, has_bf16_units, num_cores, one_thread, within_quota

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


def test_torch_keeps_to_a_container_s_quota(tmp_path: Path) -> None:
    root, before = kernel(tmp_path, "0::/\n", {"cpu.max": "250000 100000\n"}), torch.get_num_threads()
    try:
        for threads, within in ((7, 3), (2, 2)):
            torch.set_num_threads(threads)
            with within_quota(root):
                assert torch.get_num_threads() == within
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_a_system_without_these_files(tmp_path: Path) -> None:
    assert num_cores(tmp_path) == MANY


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins nobody")
def test_without_process_cpu_count_the_cores_that_it_is_pinned_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6})
    assert num_cores(tmp_path) == 3


@pytest.fixture
def _on_two_threads() -> Iterator[None]:
    """Torch and NumPy, whatever the environment says."""
    threads = torch.get_num_threads()
    with threadpool_limits(2):
        torch.set_num_threads(2)
        yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_on_two_threads")
def test_one_thread_and_then_as_before() -> None:
    def threads() -> list[int]:
        return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

    before = threads()
    assert set(before) == {2}
    for libraries in (None, devices.ThreadpoolController()):
        with one_thread(libraries):
            assert set(threads()) == {1}
        assert threads() == before


def cpu(root: Path, vendor: str, flags: str) -> Path:
    """A root whose processor, with two cores, says this of itself."""
    (root / "proc").mkdir(parents=True)
    core = f"vendor_id\t: {vendor}\nmodel name\t: made up\nflags\t\t: fpu avx2 {flags}\nbugs\t\t:\n\n"
    (root / "proc/cpuinfo").write_text("processor\t: 0\n" + core + "processor\t: 1\n" + core)
    return root


INTEL, AMD = "GenuineIntel", "AuthenticAMD"


@pytest.mark.parametrize(
    ("vendor", "flags", "limit", "found"),
    [
        (INTEL, "avx512f avx512_bf16 amx_bf16 amx_tile", None, True),
        (INTEL, "avx512f avx512_bf16 amx_bf16 amx_tile", "all", True),
        (INTEL, "avx512f avx512_bf16 amx_bf16 amx_tile", "AVX512_CORE_AMX", True),
        (INTEL, "avx512f avx512_bf16 amx_bf16 amx_tile", "AVX512_CORE_BF16", False),
        (INTEL, "avx512f avx512_bf16 amx_bf16 amx_tile", "AVX2", False),
        (INTEL, "avx512f avx512_bf16", None, False),  # slower than fp32
        (INTEL, "avx512f avx512_vnni", None, False),
        (INTEL, "", None, False),
        (AMD, "avx512f avx512_bf16", None, True),
        (AMD, "avx512f avx512_bf16", "AVX512_CORE_BF16", True),
        (AMD, "avx512f avx512_bf16", "AVX512_CORE", False),
        (AMD, "avx512f avx512_bf16", "AVX2_VNNI_2", False),
        (AMD, "", None, False),
    ],
)
def test_bf16_is_for_processors_that_are_faster_in_it(
    vendor: str, flags: str, limit: str | None, found: bool, tmp_path: Path
) -> None:
    environment = {} if limit is None else {"ONEDNN_MAX_CPU_ISA": limit}
    assert has_bf16_units(cpu(tmp_path, vendor, flags), environment) is found


def test_a_machine_that_says_nothing_of_its_processor_has_none(tmp_path: Path) -> None:
    assert not has_bf16_units(tmp_path, {})
    assert fast_precision("mps") == fast_precision("cuda") == "fp32"


@pytest.mark.parametrize("fast", ["fp32", "bf16"])
def test_auto_is_what_the_machine_is_fast_in(fast: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "fast_precision", lambda _: fast)
    one, kinds = torch.ones(2, 2), {"fp32": torch.float32, "bf16": torch.bfloat16}
    for precision in ("auto", "fp32", "bf16"):
        with autocast(one.device, precision):
            assert (one @ one).dtype == kinds[fast if precision == "auto" else precision]
    assert (one @ one).dtype == torch.float32


@pytest.mark.skipif(sys.platform != "linux", reason="torch's threads are libgomp's on Linux alone")
@pytest.mark.parametrize(
    ("given", "turns"), [({}, "5000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "0")]
)
def test_threads_that_wait_sleep_soon(given: dict[str, str], turns: str) -> None:
    unset = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    asked = {**unset, **given, "OMP_DISPLAY_ENV": "verbose"}
    loaded = [sys.executable, "-c", "import reverie.devices"]
    said = subprocess.run(loaded, env=asked, capture_output=True, text=True, check=True).stderr
    assert f"GOMP_SPINCOUNT = '{turns}'" in said
