"""Progress of parts that run in other processes: each process writes to its own slot in shared memory.

There is no lock and no queue, so killing a process while it writes does not block any other process.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.work_items import Notes

INTERVAL_SECONDS = 0.5
"""Seconds between two readings of the slots."""


class ProgressSlot(ctypes.Structure):
    """The progress of one process."""

    _fields_ = (
        ("ticket", ctypes.c_longlong),
        ("units", ctypes.c_double),
        ("share", ctypes.c_double),
        ("unit", ctypes.c_char * 24),
        ("phase", ctypes.c_char * 64),
    )
    ticket: int
    """Number of the step for which the process works."""
    units: float
    """Units that this process has finished, in all its parts."""
    share: float
    """Finished fraction of the current part, 0 to 1."""
    unit: bytes
    """Name of the units."""
    phase: bytes
    """Current phase, in which nothing is counted."""


class SlotProgress(Notes):
    """A `Progress` for one part that writes to a slot; lines are kept as by `Notes`."""

    def __init__(self, slot: ProgressSlot, ticket: int) -> None:
        super().__init__()
        self._slot, self._total, self._done = slot, 1, 0
        slot.ticket, slot.share, slot.phase = ticket, 0.0, b""

    def start(self, total: int, unit: str) -> None:
        """The part starts to count."""
        self._total, self._done = max(1, total), 0
        self._slot.unit, self._slot.phase = unit.encode()[:23], b""

    def advance(self, count: int = 1) -> None:
        """`count` units are done."""
        self._done += count
        self._slot.units += count
        self._slot.share = min(1.0, self._done / self._total)

    def phase(self, text: str) -> None:
        """The phase until something is counted again."""
        self._slot.phase = text.encode()[:63]

    def finish(self) -> None:
        """The part has ended: from now on it is counted as a whole."""
        self._slot.share, self._slot.phase = 0.0, b""


class SlotReader:
    """Adds up the slots of all processes that work for one step."""

    def __init__(self, slots: ctypes.Array[ProgressSlot], ticket: int) -> None:
        self._slots, self._ticket = slots, ticket
        self._before = [slot.units for slot in slots]
        self._units, self._started, self._unit = 0.0, time.monotonic(), ""

    def read(self) -> tuple[float, str]:
        """Sum of the completed fractions of the current parts, and the joint rate of all processes, or a phase."""
        share, phase = 0.0, b""
        for k, slot in enumerate(self._slots):
            units = slot.units
            if slot.ticket == self._ticket:
                share, self._unit = share + slot.share, slot.unit.decode(errors="ignore")
                phase = slot.phase or phase
                self._units += units - self._before[k]
            self._before[k] = units
        seconds = time.monotonic() - self._started
        text = phase.decode(errors="ignore") or (pace(self._units, seconds, f" {self._unit}") if self._units else "")
        return share, text


def pace(units: float, seconds: float, unit: str = "") -> str:
    """Units per second: ``55 patches/s``, with one decimal below 5: ``0.8/s``; empty below one in 10 s."""
    rate = units / seconds if seconds else 0.0
    if rate < 0.1:
        return ""
    return f"{rate:,.0f}{unit}/s" if rate >= 5 else f"{rate:.1f}{unit}/s"


@contextmanager
def reporting_progress(reader: SlotReader, progress: Progress) -> Iterator[None]:
    """Inside the block, report what the slots contain to `progress` twice per second."""
    stopped = threading.Event()

    def report() -> None:
        while not stopped.wait(INTERVAL_SECONDS):
            share, text = reader.read()
            if text:
                progress.inside(share, text)

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
