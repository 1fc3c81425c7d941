"""Making one step: its parts if it has any, then the whole, each published on its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from oceanpath.errors import AccidentError, ArtifactError, OceanPathError, StageError
from oceanpath.pipeline.integrity import verified, verify_parts
from oceanpath.pipeline.jobs import Job, JobResult, WorkItem, call
from oceanpath.pipeline.progress_slots import pace
from oceanpath.pipeline.stage import Part, Progress, Stage, resolve
from oceanpath.pipeline.workers import Executor
from oceanpath.pipeline.workspace import Manifest, Workspace

EVERY_SECONDS = 0.2
"""Between two movements of a bar."""


class PartListener(Protocol):
    """Who is told of each part."""

    def part(self, key: str, fingerprint: str, made: JobResult) -> None:
        """A part was there, was made, or failed."""


@dataclass(frozen=True)
class ExecutionContext:
    """Where things are made and who is told."""

    workspace: Workspace
    workers: Executor
    progress: Progress
    witness: PartListener


def execute(site: ExecutionContext, job: Job) -> tuple[Manifest, float | None]:
    """Make and publish one step. Parts that are published already are not made again.

    What the step reads of its parents is compared with its sealed digests first.

    Returns:
        The manifest, and the peak memory in MiB of whatever used most, where the kernel tells.

    Raises: OceanPathError: what the work raised. StageError: some parts failed (the others are published), or a bug.
        ArtifactError: what the step would read is damaged.
    """
    peaks: list[float | None] = [None]
    job = replace(job, inputs=verified(job.inputs, job.step.stage))
    if job.step.stage.parts:
        places, failed, peaks = _parts(site, job)
        job = replace(job, inputs=replace(job.inputs, parts=places, failed=failed))
    ((_, made),) = site.workers.each([WorkItem(site.workspace, job)], site.progress)
    if made.error is not None:
        raise made.error
    if made.manifest is None:
        raise StageError("nothing was made", where=job.step.name)
    return made.manifest, max((peak for peak in (*peaks, made.peak_mb) if peak is not None), default=None)


def _parts(site: ExecutionContext, job: Job) -> tuple[dict[str, Path], dict[str, str], list[float | None]]:
    """The folders of all parts, why those failed that may, and the peak memory of each."""
    stage = job.step.stage
    parts: list[Part] = call(stage.name, resolve(stage.parts), job.step.settings, job.inputs)
    site.progress.start(len(parts), stage.part_unit)
    tasks = {part.key: WorkItem(site.workspace, job, part, wait=False) for part in parts}
    names = {key: task.order.fingerprint for key, task in tasks.items()}
    results: dict[str, JobResult] = {}
    inside = _PartProgress(site.progress)
    for wait in (False, True):  # what another process is at comes last: by then it may be there
        left = [replace(task, wait=wait) for key, task in tasks.items() if key not in results]
        for task, made in site.workers.each(left, inside):
            if (made.manifest or made.error) and task.part is not None:
                results[task.part.key] = made
                site.witness.part(task.part.key, names[task.part.key], made)
                site.progress.advance()
                inside.over()
    failures = {key: error for key in tasks if (error := results[key].error) is not None}
    if failures and not _may_fail(job, failures, len(parts)):
        raise _failed(stage, list(failures.items()), len(parts))
    places = {key: site.workspace.place("part", stage.name, name) for key, name in names.items() if key not in failures}
    if job.inputs.verify:
        verify_parts(stage, places.values())
    failed = {key: error.facts() for key, error in failures.items()}
    return places, failed, [made.peak_mb for made in results.values()]


def _may_fail(job: Job, failures: Mapping[str, OceanPathError], total: int) -> bool:
    """Whether the whole may be made without these parts: the settings allow it, and what they work on is to blame."""
    allows = job.step.stage.allows
    allowed = bool(allows) and bool(getattr(job.step.settings, allows)) and len(failures) < total
    of_input = (ArtifactError, StageError)
    return allowed and all(isinstance(e, of_input) and not isinstance(e, AccidentError) for e in failures.values())


@dataclass
class _PartProgress:
    """The screen as the work of a part sees it: the bar counts parts, the work fills a fraction of one and a pace."""

    progress: Progress
    parts: int = 0
    """Parts that are over."""
    total: int = 1
    """Units of the part at work, those that are done, and what they are called."""
    here: int = 0
    unit: str = ""
    units: int = 0
    """Done in all parts, in so many seconds of work."""
    seconds: float = 0.0
    _before: float = 0.0
    _said: float = 0.0

    def start(self, total: int, unit: str) -> None:
        """A part begins to count."""
        self.total, self.here, self.unit, self._before = max(1, total), 0, unit, time.monotonic()

    def advance(self, count: int = 1) -> None:
        """`count` units of the part are done."""
        now = time.monotonic()
        self.here, self.units = self.here + count, self.units + count
        self.seconds, self._before = self.seconds + now - self._before, now
        if now - self._said >= EVERY_SECONDS:
            self._said = now
            texts = (f"{self.here:,}/{self.total:,} {self.unit}", pace(self.units, self.seconds))
            self.progress.inside(self.parts + min(1.0, self.here / self.total), ", ".join(filter(None, texts)))

    def inside(self, done: float, pace: str) -> None:
        """Parts in other processes are at work: so much of them is done, at this pace together."""
        self.progress.inside(self.parts + done, pace)

    def phase(self, text: str) -> None:
        """What the part at work does now, where nothing is counted."""
        self.progress.phase(text)

    def over(self) -> None:
        """A part is over."""
        self.parts += 1

    def note(self, text: str) -> None:
        self.progress.note(text)


def _failed(stage: Stage, failures: list[tuple[str, OceanPathError]], total: int) -> OceanPathError:
    if total == 1:
        return failures[0][1]
    listed = "".join(f"\n  {key}: {error.render()}" for key, error in failures)
    key = stage.settings.shared_keys().get(stage.allows, "")
    do = f" To continue without those that failed, set {key} = true or use --keep-going." if key else ""
    what = f"{len(failures)} of {total} parts failed"
    return StageError(what, where=stage.name, do=f"The others are kept.{do}{listed}")
