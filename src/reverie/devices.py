"""What of this machine a computation may use: which device, how many cores and threads, and which arithmetic."""

import functools
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from reverie.errors import UserError
from reverie.types import Device

Decided: TypeAlias = Literal["fp32", "bf16"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16"]
"""Arithmetic of matrix products; `auto` is what `fast_precision` says."""

_CGROUPS, _MEMBERSHIP = "sys/fs/cgroup", "proc/self/cgroup"


def chosen_device(name: Device) -> torch.device:
    """The device of that name, for `auto` the first of cuda, mps and cpu that is there. Raises UserError where this
    machine, or its torch, has none.

    On a GPU fp32 is fp32: convolutions and recurrent nets, which torch lets round to TF32, do not. Who wants coarser
    sums takes bf16.
    """
    if name not in get_args(Device):
        raise UserError(f"device {name!r} is none of {', '.join(get_args(Device))}", usage=True)
    if name == "auto":
        name = "cuda" if _is_there("cuda") else "mps" if _is_there("mps") else "cpu"
    elif not _is_there(name):
        why = "this torch was built without it" if not _is_built(name) else "torch finds no such device on this machine"
        raise UserError(f"device {name} is not there ({why}): choose cpu, or auto for what there is", usage=True)
    if name == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def _is_there(name: str) -> bool:
    if name == "mps":
        return torch.backends.mps.is_available()
    return name == "cpu" or torch.cuda.is_available()


def _is_built(name: str) -> bool:
    return torch.backends.mps.is_built() if name == "mps" else torch.backends.cuda.is_built()


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor from the CPU, on `device`; a GPU fetches it while this process goes on."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def finish(device: torch.device) -> None:
    """Waits until all is done that `device` was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def free_bytes(device: torch.device) -> int:
    """Memory of its own that a device has left, 0 where it has none of its own."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def is_asynchronous(device: torch.device) -> bool:
    """Whether a number is there only after waiting for all that `device` was told before: to be read seldom."""
    return device.type != "cpu"


@contextmanager
def one_thread(libraries: ThreadpoolController | None = None) -> Iterator[None]:
    """Torch and NumPy on one thread: sums in one order, and no threads that spin on the cores of others.

    Who enters it often hands over the `libraries` of this process, which take a millisecond to find.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (libraries or ThreadpoolController()).limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def within_quota(root: Path = Path("/")) -> Iterator[None]:
    """Torch on no more threads than the cores that this process may use: of a container's quota it knows nothing, and
    its threads would take turns at waiting for their share. `root` as for `num_cores`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(min(threads, num_cores(root)))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def stay_on_one_thread() -> None:
    """The same for all that this process will do."""
    torch.set_num_threads(1)
    threadpool_limits(1)


def autocast(device: torch.device | str, precision: Precision) -> torch.autocast:
    """Matrix products on `device` in this precision; weights and what is not said otherwise stay fp32."""
    kind = torch.device(device).type
    decided = fast_precision(kind) if precision == "auto" else precision
    return torch.autocast(kind, torch.bfloat16, enabled=decided == "bf16")


def recurrent(device: torch.device) -> AbstractContextManager[object]:
    """Around torch's own recurrent nets, within `autocast` or not: on a GPU they stay fp32. Whatever `autocast` is
    asked for, it gives cuDNN's fp16 (torch's AutocastRNN.cpp), in which small gradients lose their digits or vanish."""
    return torch.autocast(device.type, enabled=False) if device.type in ("cuda", "mps") else nullcontext()


@functools.cache
def fast_precision(kind: str = "cpu") -> Decided:
    """bf16 where this machine is faster in it, else fp32: the same at every call on a machine. On a GPU nets as small
    as these dream and drive faster in fp32, since each cast is one kernel more (docs/devices.md, How fast)."""
    return "bf16" if kind == "cpu" and has_bf16_units() else "fp32"


def has_bf16_units(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Linux names AMX, or AMD's AVX512-BF16, among what the processor can do, and oneDNN may use them.

    Intel's AVX512-BF16 without AMX is slower than fp32 (docs/memory.md, Speed), as is a processor that has neither.
    """
    limit = environment.get("ONEDNN_MAX_CPU_ISA", environment.get("DNNL_MAX_CPU_ISA", "ALL")).upper()
    facts: dict[str, str] = {}
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value)
    flags = facts.get("flags", "").split()
    if "amx_bf16" in flags and (limit in ("ALL", "DEFAULT") or "AMX" in limit):
        return True
    of_amd = "avx512_bf16" in flags and facts.get("vendor_id", "").strip() == "AuthenticAMD"
    return of_amd and (limit in ("ALL", "DEFAULT") or any(part in limit for part in ("BF16", "FP16", "AMX", "AVX10")))


@functools.cache
def survive_forks() -> None:
    """Processes that are forked from this one, as Gymnasium's AsyncVectorEnv does, compute on one thread.

    Torch's helper threads are not there in a fork, which would wait for them for ever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


MAX_PROCESSES = 1000
"""That run episodes: more than the cores of any machine, and few enough to be started."""


def num_cores(root: Path = Path("/")) -> int:
    """Cores that this process may use, at least 1: what the system gives it, and no more than a container's quota.

    Files of the kernel are looked for under `root`.
    """
    of_process = getattr(os, "process_cpu_count", None)  # Python 3.13
    if of_process is not None:
        cores = of_process() or 1
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, math.ceil(min(cores, _quota(root))))


def _quota(root: Path) -> float:
    """Cores' worth of time that the groups of this process may use; inf where nothing limits them.

    A group is limited by those above it, too. Inside a container the path of its group is often one of the host's,
    which is not there: then the root that the container sees is its group.
    """
    quota = math.inf
    for line in _read(root / _MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "none", "")
        if not controllers:  # version 2
            mount, limit = root / _CGROUPS, _limit_v2
        elif "cpu" in controllers.split(","):
            mount, limit = root / _CGROUPS / controllers, _limit_v1
            mount = mount if mount.is_dir() else root / _CGROUPS / "cpu"
        else:
            continue
        folder = mount / path.strip("/")
        quota = min(quota, *(limit(each) for each in (folder, *folder.parents) if each.is_relative_to(mount)))
    return quota


def _limit_v2(folder: Path) -> float:
    return _share(*_read(folder / "cpu.max").split()[:2])


def _limit_v1(folder: Path) -> float:
    return _share(_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip())


def _share(quota: str = "", period: str = "") -> float:
    """Microseconds of a period in cores; inf for no limit, which is "max", or negative, or no file at all."""
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return math.inf
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
