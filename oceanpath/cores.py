"""Number of usable processor cores."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Number of cores that this process may use; in a container often fewer than those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """The same, limited by OMP_NUM_THREADS, with which users reserve cores for other programs."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(available_cores(), int(limit)) if limit.isdecimal() and int(limit) else available_cores()
