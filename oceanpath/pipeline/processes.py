"""Who a process is, so that the living can be told from the dead."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def start_ticks(pid: int | str) -> str:
    """When a process started, in kernel ticks; empty when there is no such process or no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def process_tag() -> str:
    """``<pid>-<start>-<host>`` of this process: no two processes share one."""
    return f"{os.getpid()}-{start_ticks(os.getpid())}-{host()}"


@cache
def host() -> str:
    """Short name of this machine."""
    return os.uname().nodename.split(".")[0]


def token() -> str:
    """Eight characters that nobody else has."""
    return os.urandom(4).hex()


def is_alive(pid: str, start: str) -> bool:
    """Whether the process that called itself ``<pid>-<start>`` on this machine still runs."""
    return bool(pid) and start_ticks(pid) == start != ""


def reset_peak_memory() -> None:
    """Let the kernel forget this process's peak memory; where it cannot, the old peak stays."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float | None:
    """Peak resident memory in MiB since the last reset; None where the kernel does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "")
    return int(kib) / 1024 if kib else None
