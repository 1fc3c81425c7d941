"""One array task on a node: ``python -m oceanpath.pipeline.executors.slurm.task BATCH CHUNK``."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from oceanpath.child_process import end_with_parent
from oceanpath.pipeline.executors.slurm.spool import Batch
from oceanpath.pipeline.work_items import JobResult, Notes, WorkItem

STOPPED = 85
"""Exit code of a task that was stopped before its time limit; its script queues it again."""
HEARTBEAT_SECONDS = 10.0


def main(folder: str, chunk: int) -> int:
    """Compute the items of a chunk that have no result yet; returns the exit code."""
    end_with_parent()
    received: list[int] = []
    for name in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(name, lambda number, _: _interrupt(received, number))
    batch = Batch(Path(folder))
    alive = threading.Thread(target=_touch_regularly, args=(batch.events(chunk),), daemon=True)
    alive.start()
    try:
        items = batch.items()
        for number in batch.numbers(chunk):
            if not (batch.folder / "results" / f"{number}.pickle").exists():
                batch.finish(chunk, number, _compute(items[number]))
    except KeyboardInterrupt:
        return STOPPED if signal.SIGUSR1 in received else 128 + signal.SIGTERM
    return 0


def _compute(item: WorkItem) -> JobResult:
    """The result of an item. It waits for another process that computes the same, such as a copy of this task."""
    notes = Notes()
    result = replace(item, wait=True).run(notes)
    return replace(result, notes=tuple(notes.lines))


def _interrupt(received: list[int], number: int) -> None:
    received.append(number)
    raise KeyboardInterrupt


def _touch_regularly(path: Path) -> None:
    done = threading.Event()
    while True:
        path.touch()
        done.wait(HEARTBEAT_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
