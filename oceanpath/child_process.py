"""Child processes that end when their parent ends, however it ends.

Each child has the reading end of a pipe whose writing end only its parent has. The pipe closes when the parent ends,
also by SIGKILL, and then the child is killed: by the kernel where it can watch a pipe (Linux), even while a library
does not return to Python; on other systems by a thread.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import threading
import weakref
from collections.abc import Sequence
from typing import Any


class Child(subprocess.Popen[bytes]):
    """A process that ends with this one. It must call `end_with_parent` with its last argument."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        """Start it.

        Args:
            command: The program and its arguments; the number of a file descriptor is added.
            options: Options of `subprocess.Popen`.
        """
        reading, writing = os.pipe()
        weakref.finalize(self, os.close, writing)
        try:
            super().__init__([*command, str(reading)], pass_fds=(reading,), **options)
        finally:
            os.close(reading)


def end_with_parent(lifeline: int | None = None, *, group: bool = False) -> None:
    """From now on, kill this process when its parent ends.

    Args:
        lifeline: The last argument of a `Child`; None in a process that multiprocessing started.
        group: Kill all processes of its group, which it must lead.
    """
    if lifeline is None:
        parent = multiprocessing.parent_process()
        if parent is None:
            return
        lifeline = int(parent.sentinel)
    target = -os.getpgrp() if group else os.getpid()
    os.set_inheritable(lifeline, False)
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, target)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_wait, args=(lifeline, target), daemon=True).start()


def _wait(lifeline: int, target: int) -> None:
    os.read(lifeline, 1)  # nothing is ever written to the pipe: this returns when the other end is closed
    os.kill(target, signal.SIGKILL)
