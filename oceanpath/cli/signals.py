"""Ctrl-C, SIGTERM and SIGHUP interrupt the main thread; child processes end with the command.

The exit code is 130, 143 or 129.
"""

from __future__ import annotations

import math
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BASE = 128
"""The exit code of a command that a signal ended is this plus the number of the signal."""
RETRY_SECONDS = 0.05
IMPORT_SECONDS = 3.0
"""An import that takes longer than this is interrupted."""
TWICE_SECONDS = 1.0
"""`timeout` and schedulers signal a process and its group: a second signal within this time is ignored."""
_received: list[tuple[float, int]] = []


def listen() -> None:
    """Raise KeyboardInterrupt at these signals, except for those that the parent process ignores."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _raise)
    sys.unraisablehook = _dropped


def restore() -> None:
    """Restore the default handlers: the command has ended, and a signal ends the process at once."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted() -> int:
    """Print that the command was interrupted; returns its exit code."""
    with suppress(OSError):  # the terminal may be gone
        print("interrupted: finished results are kept; run the same command again to continue", file=sys.stderr)
    return BASE + (_received[0][1] if _received else signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    now, last = time.monotonic(), _received[-1][0] if _received else -math.inf
    if now - last < TWICE_SECONDS:
        return
    _received.append((now, number))
    _raise(number, frame)


def _raise(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; during an import try again later, because importing code may wrap or drop exceptions."""
    if _importing(frame) and time.monotonic() - _received[-1][0] < IMPORT_SECONDS:
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        return
    raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _dropped(error: sys.UnraisableHookArgs) -> None:
    """For exceptions in destructors and callbacks: raise an interruption again later, print all others."""
    if issubclass(error.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
    else:
        sys.__unraisablehook__(error)
