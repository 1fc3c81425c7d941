"""One holder of a name at a time, within a machine and across machines that share the disk.

locks/<name>/<holder>.<token>   an empty file; touched every few seconds by its holder, a `process_tag`

A lock is a folder with one file in it, renamed into place: a folder never replaces another that holds something, so
only one process succeeds, on local and network disks, without flock and without links. A holder is dead when its
process has ended (same machine), or when its file was not touched for `STALE_SECONDS` by the clock of the file system
itself (another machine). Whoever takes over renames the file of the dead holder to its own: only one process can, and
the folder is never empty meanwhile. See docs/decisions/0005-locks-without-flock.md.
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

BEAT_SECONDS = 5.0
STALE_SECONDS = 120.0
POLL_SECONDS = 0.1
OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST)


def try_lock(folder: Path, name: str) -> Path | None:
    """Take the lock `name` below `folder` unless a living process holds it; returns its file, or None.

    Raises: OSError: the disk refuses.
    """
    lock, mine = folder / name, f"{process_tag()}.{token()}"
    holder = _file_of(lock)
    if holder is not None:
        return None if _is_held(holder) else _take_over(holder, lock / mine)
    made = folder / f".{name}.{mine}"
    made.mkdir(parents=True)
    try:
        (made / mine).touch()
        with suppress(OSError):
            lock.rmdir()  # left empty by a holder that was killed as it let go
        made.rename(lock)
    except OSError as error:
        if error.errno not in OCCUPIED:
            raise
        return None  # another process was quicker
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return lock / mine


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Keep a taken lock alive while the block works; let it go afterwards."""
    done = threading.Event()
    heart = threading.Thread(target=_beat, args=(file, done), daemon=True)
    heart.start()
    try:
        yield
    finally:
        done.set()
        heart.join()
        with suppress(OSError):  # after a pause of minutes another machine may have taken it over
            file.unlink()
            file.parent.rmdir()


def wait_lock(folder: Path, name: str) -> Path:
    """Take the lock `name`, waiting for its holder if there is one; returns its file."""
    while (lock := try_lock(folder, name)) is None:
        time.sleep(POLL_SECONDS)
    return lock


def holder(folder: Path, name: str) -> str:
    """The tag of the living process that holds the lock `name` below `folder`; empty when there is none."""
    file = _file_of(folder / name)
    return file.name.partition(".")[0] if file is not None and _is_held(file) else ""


def clear(folder: Path) -> None:
    """Remove the locks of the dead below `folder`, as far as the disk lets it."""
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
    """Seconds since the last beat, by the clock of the file system: a file is made to read it."""
    probe = file.parent.parent / f".clock.{process_tag()}.{token()}"
    try:
        probe.touch()
        return probe.stat().st_mtime - file.stat().st_mtime
    except OSError:
        return 0.0  # it was just let go or taken over, or the disk does not tell
    finally:
        with suppress(OSError):
            probe.unlink()


def _take_over(dead: Path, mine: Path) -> Path | None:
    try:
        os.utime(dead)  # first, so that it is fresh from the moment it is ours
        dead.rename(mine)
    except FileNotFoundError:
        return None  # another process was quicker
    return mine


def _beat(file: Path, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        with suppress(OSError):  # a beat that fails is made up for by the next one
            os.utime(file)
