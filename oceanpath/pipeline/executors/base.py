"""The interface of every executor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.work_items import JobResult, WorkItem


class Executor(Protocol):
    """Runs work items and returns the result of each; constructed with the number of jobs.

    `WorkItem.run` does all the work: it takes the lock, checks, and publishes in the workspace. So an executor
    only decides where this method runs, and needs only this package and the file system of the workspace there. Items
    and results can be pickled. An item may run twice: the second run uses what the first one published.

    With several jobs the methods are called from several threads.
    """

    def run(self, items: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all items; each is returned with its result, in the order in which they end.

        Errors of the work are in the results. An item that could not be run has an `AccidentError` there.

        Raises: KeyboardInterrupt: the executor was closed meanwhile.
        """

    def close(self) -> None:
        """End all work that is still running immediately. Called when a run ends, also after an interruption."""
