"""What a device can do at best: what a benchmark on it stands beside."""

import time
from collections.abc import Callable
from typing import Any

import torch

from reverie.devices import Decided, finish

SIDE = 8192
"""Of the square matrices that are multiplied."""
COPIED = 2**28
"""Numbers of 4 bytes that are copied."""
TIMES = 10


def limits(device: torch.device, *, side: int = SIDE, copied: int = COPIED) -> dict[str, Any]:
    """Its name, the bytes a second that a copy reads and writes, and the FLOP/s of large matrix products."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    values = _drawn(copied, device)
    target = torch.empty_like(values)
    return {
        "device": name,
        "bytes_per_second": 2 * 4 * copied / _seconds(lambda: target.copy_(values), device),
        "flops_fp32": _flops("fp32", device, side),
        "flops_bf16": _flops("bf16", device, side),
    }


def _flops(precision: Decided, device: torch.device, side: int) -> float:
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = _drawn(side**2, device).view(side, side).to(dtype)
    return 2 * side**3 / _seconds(lambda: a @ a, device)


def _drawn(num: int, device: torch.device) -> torch.Tensor:
    """Random numbers: a card may be faster with zeros or ones than with what it will be given."""
    return torch.randn(num, device=device, generator=torch.Generator(device).manual_seed(0))


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """What it takes, mean of some times after one that does not count."""
    work()
    finish(device)
    began = time.perf_counter()
    for _ in range(TIMES):
        work()
    finish(device)
    return (time.perf_counter() - began) / TIMES
