"""Alternating measurements: on a shared machine only ratios within one run are meaningful."""

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
"""Seconds of one turn."""


@dataclass(frozen=True)
class Measurement:
    """One alternative on one set of data."""

    case: str
    way: str
    seconds: float
    """Time of the fastest run."""
    gb_per_s: float
    times_baseline: float
    """Speed as a multiple of the baseline's."""
    of_limit: float
    """Speed as a fraction of the physical limit measured in the same run."""
    cpu_times_baseline: float
    """The same for CPU time, all threads together: more stable on a shared machine."""
    cpu_of_limit: float
    peak_mb: float | None = None
    """Peak memory (anonymous and shared, not the page cache) above that of the process at the start."""
    cpu_seconds: float = 0.0
    """Lowest CPU time of a run, all threads together."""


def measure(
    case: str, methods: Mapping[str, Work], gb: float, rounds: int, *, baseline: str, limit: str, memory: bool = True
) -> list[Measurement]:
    """Run every method once as a warm-up, then in `rounds` turns; each run processes `gb` gigabytes.

    A turn lasts `TURN` seconds, but at least one run, so that short and long methods have the same time to reach their
    fastest run.
    """
    peaks = {name: peak_mb(method) if memory else None for name, method in methods.items()}  # before any warm-up
    in_turn(methods, 1, spend)
    runs = in_turn(methods, rounds, spend, TURN)
    seconds = {name: min(run.wall for run in spent) for name, spent in runs.items()}
    cpu = {name: max(min(run.cpu for run in spent), 1e-9) for name, spent in runs.items()}
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
        for name in methods
    ]


def peak_mb(method: Work) -> float:
    """Peak memory of `method` above that of the process, in MB, sampled every two milliseconds in a fork."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_watched, args=(method, sender))
    child.start()
    sender.close()
    try:
        peak: float = receiver.recv()
    finally:
        child.join()
    return peak


def _watched(method: Work, answer: Connection) -> None:
    end_with_parent()
    samples, done = [_private_mb()], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            samples.append(_private_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        method()
    finally:
        done.set()
        watcher.join()
    answer.send(max(samples) - samples[0])


def _private_mb() -> float:
    """Resident anonymous and shared memory of this process; 0 if the system does not report it."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return sum(float(fields[name].split()[0]) for name in ("RssAnon", "RssShmem") if name in fields) / 1024


def as_table(rows: list[Measurement]) -> str:
    """The rows as a Markdown table."""
    head = "| data | method | GB/s | x baseline | of the limit | CPU: x baseline | of the limit | peak MB |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        peak = "" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        speed = f"{row.gb_per_s:.2f} | {row.times_baseline:.1f} | {row.of_limit:.2f}"
        speed += f" | {row.cpu_times_baseline:.1f} | {row.cpu_of_limit:.2f}"
        lines.append(f"| {row.case} | {row.way} | {speed} | {peak} |")
    return "\n".join(lines)
