"""Ctrl-C, SIGTERM and SIGHUP interrupt the main thread; child processes end with the command.

The exit code is 130, 143 or 129.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
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
    _wake_main_thread()


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


def _wake_main_thread() -> None:
    """The system may deliver a signal to any thread; if the main thread waits, it is woken to run the handlers."""
    signal.signal(signal.SIGURG, lambda *_: None)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_wake_at_signals, args=(reader,), name="signals", daemon=True).start()


def _wake_at_signals(reader: int) -> None:
    main = threading.main_thread().ident
    while number := os.read(reader, 1):
        if number[0] in NUMBERS and main is not None:
            time.sleep(RETRY_SECONDS)  # not while the main thread is about to wait
            signal.pthread_kill(main, signal.SIGURG)


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
    """Handle exceptions in destructors and callbacks: raise an interruption again later, print all others."""
    if issubclass(error.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
    else:
        sys.__unraisablehook__(error)
