"""What one node of a cluster sees: ``python -m oceanpath.diagnosis.node FOLDER``, as a job of `cluster`."""

from __future__ import annotations

import fcntl
import json
import sys
import time
from pathlib import Path

from oceanpath import __version__
from oceanpath.pipeline.locks import try_lock
from oceanpath.pipeline.processes import host

ANSWER, POSIX_LOCK, LOCKS, NAME = "answer.json", "posix", "locks", "doctor"


def main(folder: Path) -> None:
    """Write the observations to a file, which appears at once."""
    answer = {
        "host": host(),
        "version": __version__,
        "clock": clock_offset(folder / "clock_of_node"),
        "posix_lock": not _can_lock(folder / POSIX_LOCK),
        "lock": try_lock(folder / LOCKS, NAME) is None,
    }
    new = folder / f".{ANSWER}"
    new.write_text(json.dumps(answer))
    new.rename(folder / ANSWER)


def clock_offset(path: Path) -> float:
    """Seconds by which the clock of this machine is ahead of that of the file system."""
    path.touch()
    return time.time() - path.stat().st_mtime


def _can_lock(path: Path) -> bool:
    """Whether this process gets a lock that another one holds."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
