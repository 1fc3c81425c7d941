"""Identity of processes, to determine whether the holder of a lock is still running.

The tag of a process is ``<pid>-<start>-<machine>``. Its start is in ticks since the machine started (Linux: setting the
clock changes nothing) or the time of its creation (elsewhere). If the start cannot be read, and for a process on
another machine, the time of the last touch of its locks is used; see `locks`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def process_tag() -> str:
    """The tag ``<pid>-<start>-<machine>`` of this process, which no other process has."""
    return f"{os.getpid()}-{_start(os.getpid()) or ''}-{machine()}"


@cache
def host() -> str:
    """Short name of this machine."""
    return os.uname().nodename.split(".")[0]


@cache
def machine() -> str:
    """Scope of process ids: this host and, if the kernel reports it, its namespace (a container)."""
    try:
        return f"{host()}_{(PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return host()


def describe(tag: str) -> str:
    """Description of a process, for messages."""
    pid, _, rest = tag.partition("-")
    return f"process {pid} on {rest.partition('-')[2].partition('_')[0]}"


def token() -> str:
    """Eight random characters, for unique names."""
    return os.urandom(4).hex()


def is_alive(tag: str) -> bool | None:
    """Whether the process with this tag is still running; None if this cannot be determined on this machine."""
    pid, _, rest = tag.partition("-")
    start, _, origin = rest.partition("-")
    if origin != machine() or not pid.isdecimal():
        return None
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is running as another user
    now = _start(int(pid))
    if now is None:
        return False
    return start == now if start and now else None


def _start(pid: int) -> str | None:
    """Start of a process, empty if it cannot be read; None for a process that has ended but is still listed."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _creation_time(pid)
    return None if fields[0] in "ZX" else fields[19]


def _creation_time(pid: int) -> str | None:
    import psutil  # slow to import, and only needed on systems other than Linux

    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return None if ended else str(round(process.create_time() * 100))
    except psutil.Error:
        return ""


def reset_peak_memory() -> None:
    """Reset the peak memory of this process; if the kernel cannot, the old peak remains."""
    try:
        (PROC / "self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb() -> float | None:
    """Peak resident memory in MiB since the last reset; None if the kernel does not report it."""
    try:
        lines = (PROC / "self/status").read_text().splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmHWM")), "")
    return int(kib) / 1024 if kib else None
