"""Ctrl-C, SIGTERM and a closed terminal end a command alike: the main thread is interrupted, its processes end with it.

The exit code says which it was: 130, 143 or 129.
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
"""What a shell adds to the number of the signal that ended a command."""
RETRY_SECONDS = 0.05
IMPORT_SECONDS = 3.0
"""An import is interrupted when it takes longer than this."""
TWICE_SECONDS = 1.0
"""`timeout` and schedulers signal a process and its group: a second signal within this time is the first one again."""
_received: list[tuple[float, int]] = []


def listen() -> None:
    """From now on raise KeyboardInterrupt at each of the signals, but for those that whoever started this ignores."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _raise)
    sys.unraisablehook = _dropped


def forget() -> None:
    """The command is done: from now on a signal ends the process at once."""
    for number in NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted() -> int:
    """Say that the command was interrupted; returns its exit code."""
    with suppress(OSError):  # the terminal may be gone
        print("interrupted: what is finished is kept; run the same command again to continue", file=sys.stderr)
    return BASE + (_received[0][1] if _received else signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    now, last = time.monotonic(), _received[-1][0] if _received else -math.inf
    if now - last < TWICE_SECONDS:
        return
    _received.append((now, number))
    _raise(number, frame)


def _raise(_: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, or try again soon during an import: code that loads may wrap or drop exceptions."""
    if _importing(frame) and time.monotonic() - _received[-1][0] < IMPORT_SECONDS:
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        return
    raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def _dropped(error: sys.UnraisableHookArgs) -> None:
    """A destructor or a callback cannot pass an exception on: an interruption is tried again, others are printed."""
    if issubclass(error.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
    else:
        sys.__unraisablehook__(error)
