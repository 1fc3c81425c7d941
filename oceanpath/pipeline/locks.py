"""One maker a fingerprint, within a machine and across machines that share the disk.

locks/<fingerprint>   JSON {"process": "<pid>-<start>-<host>", "token"}; touched every few seconds by its owner

A lock is made by linking a finished file into place, which is atomic on local and network disks and needs no flock.
An owner is dead when its process is gone (same machine), or when its lock was not touched for `STALE_SECONDS` by the
clock of the file system itself (another machine). Taking over renames the dead lock away: only one process can.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oceanpath.pipeline.processes import host, is_alive, process_tag, token

BEAT_SECONDS = 5.0
STALE_SECONDS = 120.0
POLL_SECONDS = 0.1


def try_lock(folder: Path, name: str) -> Path | None:
    """Take the lock `name` below `folder` if nobody alive has it; returns its file, else None.

    Raises: OSError: the disk refuses.
    """
    lock = folder / name
    mine = folder / f".{name}.{token()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mine.write_text(json.dumps({"process": process_tag(), "token": mine.name}))
        try:
            os.link(mine, lock)
        except FileExistsError:
            if not _bury(lock, mine):
                return None
            with suppress(FileExistsError):  # another process may bury it and be quicker to take it
                os.link(mine, lock)
        return lock if _owner(lock).get("token") == mine.name else None
    finally:
        mine.unlink(missing_ok=True)


@contextmanager
def held(lock: Path) -> Iterator[None]:
    """Keep a taken lock alive while the block works; let it go afterwards."""
    mine = _owner(lock)
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(lock, done), daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        if _owner(lock) == mine:  # after a pause of minutes another machine may have taken it over
            lock.unlink(missing_ok=True)


def wait_lock(folder: Path, name: str) -> Path:
    """Take the lock `name`, waiting for its owner if there is one; returns its file."""
    while (lock := try_lock(folder, name)) is None:
        time.sleep(POLL_SECONDS)
    return lock


def _beat(lock: Path, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with suppress(OSError):  # a beat that fails is made up for by the next one
            os.utime(lock)


def _owner(lock: Path) -> dict[str, str]:
    """What a lock says of its owner; nothing when it was just let go."""
    try:
        said: dict[str, str] = json.loads(lock.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return said


def _bury(lock: Path, probe: Path) -> bool:
    """Whether the place is free now: its owner let go, or was dead and its lock is out of the way."""
    owner = _owner(lock)
    pid, start, where = (*owner.get("process", "--").split("-", 2), "", "")[:3]
    dead = not is_alive(pid, start) if where == host() else _age(lock, probe) > STALE_SECONDS
    if owner and not dead:
        return False
    grave = lock.with_name(f".{lock.name}.dead-{token()}")
    with suppress(FileNotFoundError):  # let go, or buried by another process
        lock.rename(grave)
        if _owner(grave) != owner:  # between the look and the rename somebody else took it: give it back
            with suppress(FileExistsError):
                os.link(grave, lock)
        grave.unlink()
    return True


def _age(lock: Path, probe: Path) -> float:
    """Seconds since the last beat, by the clock of the file system: `probe` was just written there."""
    try:
        return probe.stat().st_mtime - lock.stat().st_mtime
    except FileNotFoundError:
        return 0.0
