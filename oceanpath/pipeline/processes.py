"""Who a process is, so that the living can be told from the dead.

A process calls itself ``<pid>-<start>-<machine>``. Its start is in ticks since the machine started (Linux: setting the
clock changes nothing) or the time of its creation (elsewhere). Of a process whose start cannot be read, or that runs on
another machine, nothing is known: the heartbeat of its locks decides; see `locks`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def process_tag() -> str:
    """``<pid>-<start>-<machine>`` of this process: no two processes share one."""
    return f"{os.getpid()}-{_start(os.getpid()) or ''}-{machine()}"


@cache
def host() -> str:
    """Short name of this machine."""
    return os.uname().nodename.split(".")[0]


@cache
def machine() -> str:
    """Where process numbers mean the same: this host and, where the kernel names it, its namespace (a container)."""
    try:
        return f"{host()}_{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return host()


def described(tag: str) -> str:
    """A process in words."""
    pid, _, rest = tag.partition("-")
    return f"process {pid} on {rest.partition('-')[2].partition('_')[0]}"


def token() -> str:
    """Eight characters that nobody else has."""
    return os.urandom(4).hex()


def is_alive(tag: str) -> bool | None:
    """Whether the process that calls itself `tag` still runs; None where that cannot be known from here."""
    pid, _, rest = tag.partition("-")
    start, _, where = rest.partition("-")
    if where != machine() or not pid.isdecimal():
        return None
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, and belongs to another user
    now = _start(int(pid))
    if now is None:
        return False
    return start == now if start and now else None


def _start(pid: int) -> str | None:
    """When a process started, empty where that cannot be read; None for one that has ended but is still listed."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _creation_time(pid)
    return None if fields[0] in "ZX" else fields[19]


def _creation_time(pid: int) -> str | None:
    import psutil  # takes longer to load than a run with nothing to do may take, and is needed beside Linux alone

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else str(round(process.create_time() * 100))
    except psutil.Error:
        return ""


def reset_peak_memory() -> None:
    """Let the kernel forget this process's peak memory; where it cannot, the old peak stays."""
    try:
        (PROC / "self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float | None:
    """Peak resident memory in MiB since the last reset; None where the kernel does not tell."""
    try:
        lines = (PROC / "self/status").read_text().splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "")
    return int(kib) / 1024 if kib else None
