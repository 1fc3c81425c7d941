"""Alternatives in turn: on a machine that others use too, only ratios from one run mean anything."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from oceanpath.bench.clock import Work, in_turn, spend
from oceanpath.child_process import end_with_parent

TURN = 0.3
"""Seconds of a way's turn."""


@dataclass(frozen=True)
class Measurement:
    """One alternative on one set of data."""

    case: str
    way: str
    seconds: float
    """Of its fastest run."""
    gb_per_s: float
    times_baseline: float
    """Speed as a multiple of the baseline's."""
    of_limit: float
    """Speed as a fraction of the physical limit measured in the same run."""
    cpu_times_baseline: float
    """The same of processor time, all threads together: steadier where others use the machine."""
    cpu_of_limit: float
    peak_mb: float | None = None
    """Memory of its own (anonymous and shared, not the page cache) at its highest, over the bare process."""
    cpu_seconds: float = 0.0
    """Processor time of its cheapest round, all threads together."""


def measure(
    case: str, ways: Mapping[str, Work], gb: float, rounds: int, *, baseline: str, limit: str, memory: bool = True
) -> list[Measurement]:
    """Run every way once to warm up and then in `rounds` turns; `gb` is what each run delivers.

    A way's turn lasts `TURN` seconds, and one run at least: the fastest run of a short way is then sought for as
    long as that of a long one.
    """
    peaks = {name: peak_mb(way) if memory else None for name, way in ways.items()}  # before anything is warm
    in_turn(ways, 1, spend)
    found = in_turn(ways, rounds, spend, TURN)
    seconds = {name: min(one.wall for one in spent) for name, spent in found.items()}
    cpu = {name: max(min(one.cpu for one in spent), 1e-9) for name, spent in found.items()}
    return [
        Measurement(
            case,
            name,
            seconds[name],
            gb / seconds[name],
            seconds[baseline] / seconds[name],
            seconds[limit] / seconds[name],
            cpu[baseline] / cpu[name],
            cpu[limit] / cpu[name],
            peaks[name],
            cpu[name],
        )
        for name in ways
    ]


def peak_mb(way: Work) -> float:
    """Highest memory of `way` over the process it starts in, in MB, watched every two milliseconds in a fork."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_watched, args=(way, theirs))
    child.start()
    theirs.close()
    try:
        peak: float = mine.recv()
    finally:
        child.join()
    return peak


def _watched(way: Work, answer: Connection) -> None:
    end_with_parent()
    over, done = [_private_mb()], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            over.append(_private_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        way()
    finally:
        done.set()
        watcher.join()
    answer.send(max(over) - over[0])


def _private_mb() -> float:
    """Resident anonymous and shared memory of this process; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return sum(float(fields[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in fields) / 1024


def as_table(rows: list[Measurement]) -> str:
    """The rows as a Markdown table."""
    head = "| data | way | GB/s | x baseline | of the limit | CPU: x baseline | of the limit | peak MB |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        peak = "" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        speed = f"{row.gb_per_s:.2f} | {row.times_baseline:.1f} | {row.of_limit:.2f}"
        speed += f" | {row.cpu_times_baseline:.1f} | {row.cpu_of_limit:.2f}"
        lines.append(f"| {row.case} | {row.way} | {speed} | {peak} |")
    return "\n".join(lines)
