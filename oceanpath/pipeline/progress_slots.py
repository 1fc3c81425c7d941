"""How far the parts in other processes are: each process writes to a seat of its own in shared memory, and never waits.

No lock and no queue: a process that is killed in the middle of a word stops nobody.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from oceanpath.pipeline.jobs import Notes
from oceanpath.pipeline.stage import Progress

EVERY_SECONDS = 0.5
"""Between two looks at the seats."""


class ProgressSlot(ctypes.Structure):
    """What one process tells."""

    _fields_ = (
        ("ticket", ctypes.c_longlong),
        ("units", ctypes.c_double),
        ("share", ctypes.c_double),
        ("unit", ctypes.c_char * 24),
        ("phase", ctypes.c_char * 64),
    )
    ticket: int
    """Of the step it works for."""
    units: float
    """Done by this process so far, in all its parts."""
    share: float
    """Of the part at work, 0 to 1."""
    unit: bytes
    """What they are called."""
    phase: bytes
    """What is being done where nothing is counted."""


class SlotProgress(Notes):
    """A Progress for one part that tells a seat; lines are kept as `Notes` keeps them."""

    def __init__(self, seat: ProgressSlot, ticket: int) -> None:
        super().__init__()
        self._seat, self._total, self._done = seat, 1, 0
        seat.ticket, seat.share, seat.phase = ticket, 0.0, b""

    def start(self, total: int, unit: str) -> None:
        """The part begins to count."""
        self._total, self._done = max(1, total), 0
        self._seat.unit, self._seat.phase = unit.encode()[:23], b""

    def advance(self, count: int = 1) -> None:
        """`count` units are done."""
        self._done += count
        self._seat.units += count
        self._seat.share = min(1.0, self._done / self._total)

    def phase(self, text: str) -> None:
        """What is being done until something is counted again."""
        self._seat.phase = text.encode()[:63]

    def leave(self) -> None:
        """The part is over: from now on it is counted as a whole."""
        self._seat.share, self._seat.phase = 0.0, b""


class SlotReader:
    """Adds up what the seats of one step tell."""

    def __init__(self, seats: ctypes.Array[ProgressSlot], ticket: int) -> None:
        self._seats, self._ticket = seats, ticket
        self._before = [seat.units for seat in seats]
        self._units, self._began, self._unit = 0.0, time.monotonic(), ""

    def look(self) -> tuple[float, str]:
        """The parts at work, as a number of whole ones, and the pace of all processes together, or their phase."""
        share, phase = 0.0, b""
        for k, seat in enumerate(self._seats):
            units, mine = seat.units, seat.ticket == self._ticket
            if mine:
                share, self._unit = share + seat.share, seat.unit.decode(errors="ignore")
                phase = seat.phase or phase
                self._units += units - self._before[k]
            self._before[k] = units
        seconds = time.monotonic() - self._began
        text = phase.decode(errors="ignore") or (pace(self._units, seconds, f" {self._unit}") if self._units else "")
        return share, text


def pace(units: float, seconds: float, unit: str = "") -> str:
    """Units per second, with a decimal where they are few: ``55 patches/s``, ``0.8/s``; nothing below one in 10 s."""
    rate = units / seconds if seconds else 0.0
    if rate < 0.1:
        return ""
    return f"{rate:,.0f}{unit}/s" if rate >= 5 else f"{rate:.1f}{unit}/s"


@contextmanager
def reporting_progress(watch: SlotReader, progress: Progress) -> Iterator[None]:
    """Inside, `progress` hears every half a second how far the parts at work are."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(EVERY_SECONDS):
            share, pace = watch.look()
            if pace:
                progress.inside(share, pace)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
