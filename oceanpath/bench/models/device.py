"""Time and memory of a computation on a device."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from statistics import median

import torch

from oceanpath.bench.clock import Work, spend

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def seconds(work: Work, device: torch.device) -> float:
    """CPU time of this process, or on a GPU the wall time until it has finished."""
    if device.type != "cuda":
        return spend(work).cpu

    def done() -> None:
        work()
        torch.cuda.synchronize(device)

    torch.cuda.synchronize(device)
    return spend(done).wall


def ratio(base: list[float], other: list[float]) -> float:
    """Speed-up of `other`: the median over rounds of the ratio base / other within the round."""
    return median(one / two for one, two in zip(base, other, strict=True))


def peak_bytes(work: Work, device: torch.device) -> int | None:
    """Peak memory of `work` above that before it; None if the system does not report it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if not RESET.exists():
        return None
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)  # freed memory that the allocator keeps would be reused without being counted
    RESET.write_text("5")  # resets the kernel's peak value
    before = _status_bytes("VmRSS")
    work()
    return max(0, _status_bytes("VmHWM") - before)


def _status_bytes(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
