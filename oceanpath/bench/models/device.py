"""Seconds and bytes of a piece of work on a device."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path
from statistics import median

import torch

from oceanpath.bench.clock import Work, spend

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def seconds(work: Work, device: torch.device) -> float:
    """CPU time of this process, or on a GPU the time until its work is done."""
    if device.type != "cuda":
        return spend(work).cpu

    def done() -> None:
        work()
        torch.cuda.synchronize(device)

    torch.cuda.synchronize(device)
    return spend(done).wall


def ratio(base: list[float], other: list[float]) -> float:
    """How many times faster `other` is: the median over rounds of base / other within the round."""
    return median(one / two for one, two in zip(base, other, strict=True))


def peak_bytes(work: Work, device: torch.device) -> int | None:
    """Most memory that `work` held above what was there before; None where the system does not tell."""
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
        trim(0)  # memory that was freed and kept would be used again unseen
    RESET.write_text("5")  # the kernel's high-water mark starts again from what is held now
    before = _held("VmRSS")
    work()
    return max(0, _held("VmHWM") - before)


def _held(field: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024
