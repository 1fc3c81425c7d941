"""The executor for a Slurm cluster.

The published folders are the truth: a task publishes what it computed, and Slurm is only asked which tasks still exist.
A task that is gone without a result is submitted again; a copy of it that is still running elsewhere holds the lock of
the result, so nothing is computed or published twice. See docs/decisions/0033-slurm.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from oceanpath.errors import AccidentError
from oceanpath.pipeline.executors.slurm import commands
from oceanpath.pipeline.executors.slurm.commands import QueuedTask, SchedulerUnavailableError
from oceanpath.pipeline.executors.slurm.options import parse_options
from oceanpath.pipeline.executors.slurm.spool import forget
from oceanpath.pipeline.executors.slurm.submissions import Submissions, Tracked
from oceanpath.pipeline.publish import published
from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.work_items import JobResult, WorkItem

LOOK_SECONDS = 0.2
"""Shortest interval between two looks for finished items, which cost no command of the scheduler."""
LONGEST_PAUSE = 60
"""Longest pause before lost work items are submitted again, as a multiple of `poll_seconds`."""
LOOK_SHARE = 0.1
"""Largest fraction of the time that is spent on looking: with thousands of tasks a look opens thousands of files."""


class SlurmExecutor:
    """Runs work items as job arrays, and waits for their results in the workspace."""

    def __init__(self, jobs: int, options: Mapping[str, Any] | None = None) -> None:
        """Let the scheduler check all resources. With several `jobs`, each array runs so many tasks in parallel.

        Raises: ExperimentError, AccidentError: an option is wrong. MissingExtraError: there is no Slurm here.
        """
        self._options = parse_options(options or {})
        self._jobs = jobs
        self._closed = threading.Event()
        self._open: list[Submissions] = []
        for each in (self._options, *self._options.stages.values()):
            commands.check(each.resources)

    def run(self, items: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Submit all items, or attach to those that an earlier run submitted; lost ones are submitted again.

        Raises: KeyboardInterrupt: the executor was closed meanwhile. AccidentError: the scheduler rejects a job.
        """
        left = list[WorkItem]()
        for item in items:
            if manifest := published(item.workspace, item.request, item.job.since):
                yield item, JobResult(manifest)
            else:
                left.append(item)
        if not left:
            return
        submissions = Submissions(left[0].workspace.root, self._options, self._jobs)
        self._open.append(submissions)
        new = submissions.attach(left)
        if len(submissions):
            progress.note(f"attached to {len(submissions)} work items that are queued or running")
        if new:
            submissions.submit(new)
        if submissions.delayed:
            progress.note(f"{submissions.delayed} work items are submitted when the cluster accepts further tasks")
        yield from self._collect(submissions, progress)
        self._open.remove(submissions)

    def close(self) -> None:
        """Stop waiting. Jobs continue, unless ``runtime.slurm.cancel`` is set: the next run attaches to them."""
        self._closed.set()
        if self._options.cancel:
            commands.cancel({job for submissions in self._open for job in submissions.jobs()})

    def _collect(self, submissions: Submissions, progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        retries: list[tuple[float, Tracked]] = []
        polled = time.monotonic()
        while len(submissions) or retries:
            started = time.monotonic()
            ended = list(submissions.finished())
            looked = time.monotonic() - started
            for item, result in ended:
                for line in result.notes:
                    progress.note(line)
                yield item, result
            if time.monotonic() - polled >= self._options.poll_seconds:
                for tracked in submissions.lost(self._poll(submissions, progress)):
                    if tracked.attempts >= self._options.attempts:
                        yield tracked.item, self._lost_result(submissions, tracked)
                    else:
                        # longer each time: a broken node may take many tasks at once
                        pause = self._options.poll_seconds * min(2**tracked.attempts, LONGEST_PAUSE)
                        retries.append((time.monotonic() + pause, tracked))
                self._submit_delayed(submissions, progress)
                polled = time.monotonic()
            retries = self._retry(submissions, retries, progress)
            if self._closed.wait(max(LOOK_SECONDS, looked / LOOK_SHARE)):
                raise KeyboardInterrupt

    def _poll(self, submissions: Submissions, progress: Progress) -> list[QueuedTask]:
        """The tasks that exist; if the scheduler does not answer, all are taken to exist."""
        try:
            return commands.queued(submissions.jobs())
        except SchedulerUnavailableError as error:
            progress.note(f"{error.render()}; waiting for the results of running tasks")
            return submissions.assumed()

    def _submit_delayed(self, submissions: Submissions, progress: Progress) -> None:
        try:
            submissions.submit_delayed()
        except SchedulerUnavailableError as error:
            progress.note(f"{error.render()}; {submissions.delayed} work items are not submitted yet")

    def _retry(
        self, submissions: Submissions, retries: list[tuple[float, Tracked]], progress: Progress
    ) -> list[tuple[float, Tracked]]:
        """Submit again what is due; returns the rest."""
        now = time.monotonic()
        due = [tracked for moment, tracked in retries if moment <= now]
        if due:
            progress.note(f"{len(due)} work items lost their task and are submitted again")
            for attempts in sorted({tracked.attempts for tracked in due}):
                submissions.delay([t.item for t in due if t.attempts == attempts], attempts + 1)
            self._submit_delayed(submissions, progress)
        return [(moment, tracked) for moment, tracked in retries if moment > now]

    def _lost_result(self, submissions: Submissions, tracked: Tracked) -> JobResult:
        forget(tracked.item.workspace.root, tracked.fingerprint)
        what = f"its task ended {tracked.attempts} times without a result"
        do = "Memory or time limits in [runtime.slurm] may be too low; the log says more."
        return JobResult(error=AccidentError(what, where=submissions.log(tracked), do=do))
