"""Locks: a name has one holder at a time, on one machine and on machines that share the disk.

locks/<name>/<holder>.<token>   an empty file, touched every few seconds by its holder, a `process_tag`

A lock is a folder that contains one file and is created by a rename: a folder never replaces another one that is not
empty, so only one process succeeds, on local and network disks, without flock and without links. A lock is stale when
the process of its holder has ended (same machine), or if its file was not touched for `STALE_SECONDS` by the clock of
the file system (another machine). To break a stale lock, a process renames the holder's file to its own: only one
process can, and the folder is never empty meanwhile. See docs/decisions/0005-locks-without-flock.md.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oceanpath.pipeline.processes import is_alive, process_tag, token

TOUCH_SECONDS = 5.0
STALE_SECONDS = 120.0
POLL_SECONDS = 0.1
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


def try_lock(folder: Path, name: str) -> Path | None:
    """Take the lock `name` below `folder` unless a running process holds it; returns its file, or None.

    Raises: OSError: the lock cannot be written.
    """
    lock, own = folder / name, f"{process_tag()}.{token()}"
    file = _file_of(lock)
    if file is not None:
        return None if _is_held(file) else _break_stale(file, lock / own)
    new = folder / f".{name}.{own}"
    new.mkdir(parents=True)
    try:
        (new / own).touch()
        with suppress(OSError):
            lock.rmdir()  # left empty by a holder that was killed while it released the lock
        new.rename(lock)
    except OSError as error:
        if error.errno not in OCCUPIED:
            raise
        return None  # another process was faster
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return lock / own


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Keep touching the file of a lock inside the block, and release the lock afterwards."""
    done = threading.Event()
    heartbeat = threading.Thread(target=_touch_regularly, args=(file, done), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        done.set()
        heartbeat.join()
        with suppress(OSError):  # after minutes of suspension another machine may have taken the lock
            file.unlink()
            file.parent.rmdir()


def wait_lock(folder: Path, name: str) -> Path:
    """Take the lock `name`, waiting for its holder if there is one; returns its file."""
    while (lock := try_lock(folder, name)) is None:
        time.sleep(POLL_SECONDS)
    return lock


def holder(folder: Path, name: str) -> str:
    """The tag of the running process that holds the lock `name` below `folder`; empty if there is none."""
    file = _file_of(folder / name)
    return file.name.partition(".")[0] if file is not None and _is_held(file) else ""


def remove_stale(folder: Path) -> None:
    """Remove the stale locks below `folder`, as far as possible."""
    for lock in folder.glob("[!.]*"):
        with suppress(OSError):
            if not holder(folder, lock.name) and (file := try_lock(folder, lock.name)):
                with held(file):
                    pass


def _file_of(lock: Path) -> Path | None:
    try:
        return next(lock.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_held(file: Path) -> bool:
    alive = is_alive(file.name.partition(".")[0])
    return _age(file) <= STALE_SECONDS if alive is None else alive


def _age(file: Path) -> float:
    """Seconds since the last touch, by the clock of the file system, which is read from a new file."""
    probe = file.parent.parent / f".clock.{process_tag()}.{token()}"
    try:
        probe.touch()
        return probe.stat().st_mtime - file.stat().st_mtime
    except OSError:
        return 0.0  # it was released or broken at this moment, or the file system has no times
    finally:
        with suppress(OSError):
            probe.unlink()


def _break_stale(file: Path, own: Path) -> Path | None:
    """Take over a stale lock; returns its file, or None if another process was faster."""
    try:
        os.utime(file)  # first, so that it is never stale under the new name
        file.rename(own)
    except FileNotFoundError:
        return None
    return own


def _touch_regularly(file: Path, done: threading.Event) -> None:
    while not done.wait(TOUCH_SECONDS):
        with suppress(OSError):  # if one fails, the next one replaces it
            os.utime(file)
