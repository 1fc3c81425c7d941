"""The executor for one job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest

from oceanpath.pipeline.stage import Progress
from oceanpath.pipeline.work_items import JobResult, WorkItem


class InlineExecutor:
    """Runs one item after the other, in this process."""

    def __init__(self, jobs: int = 1) -> None:
        """`jobs` is 1; see `registry.check_executor`."""

    def run(self, items: Iterable[WorkItem], progress: Progress) -> Iterator[tuple[WorkItem, JobResult]]:
        """Run all items in their order; each is given the part of the next one."""
        in_order = list(items)
        for item, following in zip_longest(in_order, in_order[1:]):
            yield item, replace(item, upcoming=following and following.part).run(progress)

    def close(self) -> None:
        """Do nothing: there is no other process."""
