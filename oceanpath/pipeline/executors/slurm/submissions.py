"""Work items that were submitted: where they are, what they returned, and which were lost."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby, islice
from operator import itemgetter
from pathlib import Path

from oceanpath.pipeline.executors.slurm import commands
from oceanpath.pipeline.executors.slurm.options import SlurmOptions
from oceanpath.pipeline.executors.slurm.scripts import script, warning
from oceanpath.pipeline.executors.slurm.spool import QUEUE, Batch, Ticket, forget, recall, remember
from oceanpath.pipeline.work_items import JobResult, WorkItem

TASK = "oceanpath.pipeline.executors.slurm.task"
MINUTE = 60.0
MISSED_POLLS = 2
"""A task is lost if so many polls in a row do not list it: a network file system may show its result a little later."""


@dataclass
class Tracked:
    """One submitted item."""

    item: WorkItem
    fingerprint: str
    ticket: Ticket
    attempts: int = 1
    missed: int = 0
    """Number of polls in a row that did not list its task."""
    running_since: float | None = None
    """When its task was first seen running, by the monotonic clock; None while it waits, also after a requeue."""


@dataclass
class Submissions:
    """The submitted items of one call of the executor, by batch, chunk and number."""

    root: Path
    options: SlurmOptions
    at_once: int
    """Most tasks of an array that run in parallel; 1: as many as the scheduler permits."""
    _backlog: deque[tuple[int, Sequence[WorkItem]]] = field(default_factory=deque)
    """Chunks that are submitted later, when the cluster accepts further tasks, with the number of their attempt."""
    _open: dict[tuple[str, int], dict[int, Tracked]] = field(default_factory=dict)
    _read: dict[tuple[str, int], int] = field(default_factory=dict)
    """Number of characters of the events of a chunk that were read."""
    _kept: set[str] = field(default_factory=set)
    """Batches with lost tasks, whose logs remain."""

    def __len__(self) -> int:
        return sum(map(len, self._open.values())) + self.delayed

    @property
    def delayed(self) -> int:
        """Number of items that are not submitted yet."""
        return sum(len(chunk) for _, chunk in self._backlog)

    def jobs(self) -> set[str]:
        """Ids of the job arrays that have open items."""
        return {tracked.ticket.job for chunk in self._open.values() for tracked in chunk.values()}

    def attach(self, items: Sequence[WorkItem]) -> list[WorkItem]:
        """Wait for items that an earlier run submitted and that Slurm still lists; returns the others.

        Raises: SchedulerUnavailableError: there are such items, and it is not known whether they still run.
        """
        names = [item.request.fingerprint for item in items]
        tickets = [recall(self.root, name) for name in names]
        alive = {(task.job, task.task) for task in commands.queued({ticket.job for ticket in tickets if ticket})}
        rest = list[WorkItem]()
        for item, fingerprint, ticket in zip(items, names, tickets, strict=True):
            if ticket is not None and (ticket.job, ticket.task) in alive:
                self._add(Tracked(item, fingerprint, ticket))
            else:
                rest.append(item)
        return rest

    def submit(self, items: Sequence[WorkItem], attempts: int = 1) -> None:
        """Submit items of one step as job arrays: as many tasks as the cluster accepts, the others later.

        Raises: AccidentError: the scheduler rejects them, or does not answer.
        """
        self.delay(items, attempts)
        self.submit_delayed()

    def delay(self, items: Sequence[WorkItem], attempts: int) -> None:
        """Divide items of one step into chunks, which the next `submit_delayed` submits."""
        size = self.options.of(items[0].job.step.stage.name).chunk
        self._backlog += [(attempts, items[start : start + size]) for start in range(0, len(items), size)]

    def submit_delayed(self) -> None:
        """Submit what the cluster accepts of the items that are not submitted yet. Raises: as `submit`."""
        if not self._backlog:
            return
        options = self.options.of(self._backlog[0][1][0].job.step.stage.name)
        free, per_array = commands.capacity(options.resources)
        while free and self._backlog:
            attempts, group = next(groupby(islice(self._backlog, min(free, per_array)), itemgetter(0)))
            chunks = [chunk for _, chunk in group]
            self._submit_array(chunks, options, attempts)
            for _ in chunks:
                self._backlog.popleft()
            free -= len(chunks)

    def _submit_array(self, chunks: Sequence[Sequence[WorkItem]], options: SlurmOptions, attempts: int) -> None:
        batch = Batch.create(self.root, chunks)
        command = shlex.join([sys.executable, "-m", TASK, str(batch.folder.resolve())])
        batch.script.write_text(script(f'{command} "$SLURM_ARRAY_TASK_ID"', options.setup, signal="USR1"))
        array = f"0-{len(chunks) - 1}" + (f"%{self.at_once}" if self.at_once > 1 else "")
        job = commands.submit(batch.script, array, {**warning(options), **options.resources})
        numbers = count()
        for task, chunk in enumerate(chunks):
            for item in chunk:
                ticket = Ticket(job, task, batch.folder.name, next(numbers))
                fingerprint = item.request.fingerprint
                remember(self.root, fingerprint, ticket)
                self._add(Tracked(item, fingerprint, ticket, attempts))

    def _add(self, tracked: Tracked) -> None:
        chunk = tracked.ticket.batch, tracked.ticket.task
        self._open.setdefault(chunk, {})[tracked.ticket.number] = tracked

    def finished(self) -> Iterator[tuple[WorkItem, JobResult]]:
        """The items that have ended since the last call. Only new lines of the events are read.

        A batch none of whose items is waited for is removed; the logs of lost tasks remain.
        """
        ended = set[str]()
        for key, open_items in list(self._open.items()):
            batch = self._batch(key[0])
            for number in self._new_events(batch, key):
                if tracked := open_items.pop(number, None):
                    forget(self.root, tracked.fingerprint)
                    yield tracked.item, batch.result(number)
            if not open_items:
                del self._open[key]
                ended.add(key[0])
        for name in ended - self._kept - {name for name, _ in self._open}:
            shutil.rmtree(self._batch(name).folder, ignore_errors=True)

    def _new_events(self, batch: Batch, key: tuple[str, int]) -> list[int]:
        try:
            with batch.events(key[1]).open() as events:
                events.seek(self._read.get(key, 0))
                whole = events.read().rpartition("\n")[0]
        except FileNotFoundError:
            return []
        self._read[key] = self._read.get(key, 0) + len(whole) + bool(whole)
        return [int(line) for line in whole.split()]

    def lost(self, running: Iterable[commands.QueuedTask]) -> list[Tracked]:
        """Remove and return the items whose tasks are gone, silent or held by Slurm; these are cancelled."""
        tasks = {(task.job, task.task): task for task in running}
        found: list[Tracked] = []
        for key, open_items in list(self._open.items()):
            first = next(iter(open_items.values()))
            task = tasks.get((first.ticket.job, first.ticket.task))
            stuck = self._is_silent(key, first, running=task is not None and task.state == "RUNNING")
            stuck = stuck or (task is not None and task.is_held_by_slurm)
            if stuck:
                commands.cancel([f"{first.ticket.job}_{first.ticket.task}"])
            first.missed = first.missed + 1 if task is None else 0
            if stuck or first.missed >= MISSED_POLLS:
                found += open_items.values()
                self._kept.add(key[0])
                del self._open[key]
        return found

    def assumed(self) -> list[commands.QueuedTask]:
        """All open tasks, as if the scheduler listed them as waiting."""
        tickets = [next(iter(chunk.values())).ticket for chunk in self._open.values()]
        return [commands.QueuedTask(ticket.job, ticket.task, "PENDING") for ticket in tickets]

    def _is_silent(self, key: tuple[str, int], first: Tracked, *, running: bool) -> bool:
        """Whether a task has been running for too long without a sign of life, also if Python never started."""
        limit = MINUTE * self.options.heartbeat_minutes
        if not running or first.running_since is None:
            first.running_since = time.monotonic() if running else None
            return False
        if time.monotonic() - first.running_since <= limit:
            return False
        events = self._batch(key[0]).events(key[1])
        if not events.exists():
            return True
        clock = events.parent / ".clock"
        clock.touch()
        return clock.stat().st_mtime - events.stat().st_mtime > limit  # both by the clock of the file system

    def log(self, tracked: Tracked) -> Path:
        """The file with what the task of an item printed."""
        return self.root / QUEUE / tracked.ticket.batch / "logs" / f"{tracked.ticket.task}.log"

    def _batch(self, name: str) -> Batch:
        return Batch(self.root / QUEUE / name)
