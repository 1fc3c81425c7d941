"""The inline executor runs items in order and passes each the part that follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from oceanpath.pipeline.executors.inline import InlineExecutor
from oceanpath.pipeline.stage import Part, Quiet
from oceanpath.pipeline.work_items import JobResult, WorkItem


@dataclass(frozen=True)
class Recording:
    """A work item that records the part that follows it."""

    part: Part
    upcoming: Part | None = None

    def run(self, _: object) -> JobResult:
        return JobResult(notes=(self.upcoming.key if self.upcoming else "nothing",))


def test_each_item_receives_the_upcoming_part() -> None:
    items = cast(list[WorkItem], [Recording(Part(key, {})) for key in ("a", "b", "c")])
    results = list(InlineExecutor().run(items, Quiet()))
    assert [item for item, _ in results] == items
    assert [result.notes for _, result in results] == [("b",), ("c",), ("nothing",)]
