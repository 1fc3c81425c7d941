"""Running one step: its parts, if any, then the combined result, each published separately."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from oceanpath.errors import AccidentError, ArtifactError, OceanPathError, StageError
from oceanpath.pipeline.executors.base import Executor
from oceanpath.pipeline.executors.progress import pace
from oceanpath.pipeline.stage import Part, Progress, Stage, resolve
from oceanpath.pipeline.verified_inputs import verified, verify_parts
from oceanpath.pipeline.work_items import Job, JobResult, WorkItem, call
from oceanpath.pipeline.workspace import Manifest, Workspace

INTERVAL_SECONDS = 0.2
"""Time between two updates of a progress bar."""


class PartListener(Protocol):
    """Receives the result of each part."""

    def part(self, key: str, fingerprint: str, result: JobResult) -> None:
        """A part was published, was published before, or failed."""


@dataclass(frozen=True)
class ExecutionContext:
    """Where a step runs, and where its progress is reported."""

    workspace: Workspace
    executor: Executor
    progress: Progress
    listener: PartListener


def execute(context: ExecutionContext, job: Job) -> tuple[Manifest, float | None]:
    """Compute and publish one step.

    Parts that are already published are not computed again. The files that the step reads from its parents are first
    compared with their sealed digests.

    Returns:
        The manifest, and the largest peak memory [MiB] of its work items, if the kernel reports it.

    Raises: OceanPathError: raised by the work. StageError: some parts failed (the others are published), or a bug.
        ArtifactError: the files that the step would read are damaged.
    """
    peaks: list[float | None] = [None]
    job = replace(job, inputs=verified(job.inputs, job.step.stage))
    if job.step.stage.parts:
        folders, failed, peaks = _run_parts(context, job)
        job = replace(job, inputs=replace(job.inputs, parts=folders, failed=failed))
    ((_, result),) = context.executor.run([WorkItem(context.workspace, job)], context.progress)
    if result.error is not None:
        raise result.error
    if result.manifest is None:
        raise StageError("the step produced no result", where=job.step.name)
    return result.manifest, max((peak for peak in (*peaks, result.peak_mb) if peak is not None), default=None)


def _run_parts(context: ExecutionContext, job: Job) -> tuple[dict[str, Path], dict[str, str], list[float | None]]:
    """The folders of all parts, the reasons of allowed failures, and the peak memory of each part."""
    stage = job.step.stage
    parts: list[Part] = call(stage.name, resolve(stage.parts), job.step.settings, job.inputs)
    context.progress.start(len(parts), stage.part_unit)
    items = {part.key: WorkItem(context.workspace, job, part, wait=False) for part in parts}
    names = {key: item.request.fingerprint for key, item in items.items()}
    results: dict[str, JobResult] = {}
    part_progress = _PartProgress(context.progress)
    for wait in (False, True):  # parts that another process is computing come last: by then they may be published
        left = [replace(item, wait=wait) for key, item in items.items() if key not in results]
        for item, result in context.executor.run(left, part_progress):
            if (result.manifest or result.error) and item.part is not None:
                results[item.part.key] = replace(result, manifest=None)  # it is recorded, and larger than the rest
                context.listener.part(item.part.key, names[item.part.key], result)
                context.progress.advance()
                part_progress.end_part()
    failures = {key: error for key in items if (error := results[key].error) is not None}
    if failures and not _may_fail(job, failures, len(parts)):
        raise _parts_error(stage, list(failures.items()), len(parts))
    published = {key: name for key, name in names.items() if key not in failures}
    folders = {key: context.workspace.folder("part", stage.name, name) for key, name in published.items()}
    if job.inputs.verify:
        verify_parts(stage, folders.values())
    failed = {key: error.facts() for key, error in failures.items()}
    return folders, failed, [result.peak_mb for result in results.values()]


def _may_fail(job: Job, failures: Mapping[str, OceanPathError], total: int) -> bool:
    """Whether the result may lack these parts: the settings allow it, and the inputs caused the failures."""
    allows = job.step.stage.allows
    allowed = bool(allows) and bool(getattr(job.step.settings, allows)) and len(failures) < total
    of_input = (ArtifactError, StageError)
    return allowed and all(isinstance(e, of_input) and not isinstance(e, AccidentError) for e in failures.values())


@dataclass
class _PartProgress:
    """Progress of a step from that of its parts: the bar counts parts with a fraction, and shows a rate."""

    progress: Progress
    parts: int = 0
    """Number of parts that have ended."""
    total: int = 1
    """Units of the current part."""
    done: int = 0
    """Completed units of the current part."""
    unit: str = ""
    """Name of the units."""
    units: int = 0
    """Completed units of all parts."""
    seconds: float = 0.0
    """Seconds that they took."""
    _last_advance: float = 0.0
    _last_update: float = 0.0

    def start(self, total: int, unit: str) -> None:
        """A part starts to count."""
        self.total, self.done, self.unit, self._last_advance = max(1, total), 0, unit, time.monotonic()

    def advance(self, count: int = 1) -> None:
        """`count` units of the part are done."""
        now = time.monotonic()
        self.done, self.units = self.done + count, self.units + count
        self.seconds, self._last_advance = self.seconds + now - self._last_advance, now
        if now - self._last_update >= INTERVAL_SECONDS:
            self._last_update = now
            texts = (f"{self.done:,}/{self.total:,} {self.unit}", pace(self.units, self.seconds))
            self.progress.inside(self.parts + min(1.0, self.done / self.total), ", ".join(filter(None, texts)))

    def inside(self, done: float, pace: str) -> None:
        """Progress of parts in other processes: the sum of their completed fractions, and their joint rate."""
        self.progress.inside(self.parts + done, pace)

    def phase(self, text: str) -> None:
        """The current phase of the part, in which nothing is counted."""
        self.progress.phase(text)

    def end_part(self) -> None:
        """A part has ended."""
        self.parts += 1

    def note(self, text: str) -> None:
        """A line for the screen."""
        self.progress.note(text)


def _parts_error(stage: Stage, failures: list[tuple[str, OceanPathError]], total: int) -> OceanPathError:
    if total == 1:
        return failures[0][1]
    listed = "".join(f"\n  {key}: {error.render()}" for key, error in failures)
    key = stage.settings_class.shared_keys().get(stage.allows, "")
    do = f" To continue without the failed ones, set {key} = true or use --keep-going." if key else ""
    what = f"{len(failures)} of {total} parts failed"
    return StageError(what, where=stage.name, do=f"The others are kept.{do}{listed}")
