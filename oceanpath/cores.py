"""How many cores there are to work on."""

from __future__ import annotations

import os


def open_cores() -> int:
    """Cores this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cores() -> int:
    """The same, never more than OMP_NUM_THREADS: whoever sets it wants the others left alone."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(open_cores(), int(asked)) if asked.isdecimal() and int(asked) else open_cores()
