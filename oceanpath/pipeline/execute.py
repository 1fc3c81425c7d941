"""Making one step: its parts if it has any, then the whole, each published on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from oceanpath.errors import OceanPathError, StageError
from oceanpath.pipeline.stage import Part, Progress, resolve
from oceanpath.pipeline.tasks import Job, Made, Task, call
from oceanpath.pipeline.workers import Workers
from oceanpath.pipeline.workspace import Manifest, Workspace


class Witness(Protocol):
    """Who is told of each part."""

    def part(self, key: str, fingerprint: str, made: Made) -> None:
        """A part was there, was made, or failed."""


@dataclass(frozen=True)
class Site:
    """Where things are made and who is told."""

    workspace: Workspace
    workers: Workers
    progress: Progress
    witness: Witness


def execute(site: Site, job: Job) -> tuple[Manifest, float | None]:
    """Make and publish one step. Parts that are published already are not made again.

    Returns:
        The manifest, and the peak memory in MiB of whatever used most, where the kernel tells.

    Raises: OceanPathError: what the work raised. StageError: some parts failed (the others are published), or a bug.
    """
    peaks: list[float | None] = [None]
    if job.step.stage.parts:
        places, peaks = _parts(site, job)
        job = replace(job, inputs=replace(job.inputs, parts=places))
    ((_, made),) = site.workers.each([Task(site.workspace, job)], site.progress)
    if made.error is not None:
        raise made.error
    if made.manifest is None:
        raise StageError("nothing was made", where=job.step.name)
    return made.manifest, max((peak for peak in (*peaks, made.peak_mb) if peak is not None), default=None)


def _parts(site: Site, job: Job) -> tuple[dict[str, Path], list[float | None]]:
    stage = job.step.stage
    parts: list[Part] = call(stage.name, resolve(stage.parts), job.step.settings, job.inputs)
    site.progress.start(len(parts), "parts")
    tasks = {part.key: Task(site.workspace, job, part, wait=False) for part in parts}
    names = {key: task.order.fingerprint for key, task in tasks.items()}
    results: dict[str, Made] = {}
    for wait in (False, True):  # what another process is at comes last: by then it may be there
        left = [replace(task, wait=wait) for key, task in tasks.items() if key not in results]
        for task, made in site.workers.each(left, _Notes(site.progress)):
            if (made.manifest or made.error) and task.part is not None:
                results[task.part.key] = made
                site.witness.part(task.part.key, names[task.part.key], made)
                site.progress.advance()
    failures = [(key, results[key].error) for key in tasks if results[key].error is not None]
    if failures:
        raise _failed(stage.name, [(key, error) for key, error in failures if error], len(parts))
    places = {key: site.workspace.place("part", stage.name, name) for key, name in names.items()}
    return places, [made.peak_mb for made in results.values()]


@dataclass(frozen=True)
class _Notes:
    """What the work of a part sees of the screen: the bar counts parts, so only its notes pass."""

    progress: Progress

    def start(self, total: int, unit: str) -> None:
        """The bar is not a part's to start."""

    def advance(self, count: int = 1) -> None:
        """The bar is not a part's to move."""

    def note(self, text: str) -> None:
        self.progress.note(text)


def _failed(stage: str, failures: list[tuple[str, OceanPathError]], total: int) -> OceanPathError:
    if total == 1:
        return failures[0][1]
    listed = "".join(f"\n  {key}: {error.render()}" for key, error in failures)
    return StageError(f"{len(failures)} of {total} parts failed", where=stage, do=f"The others are kept.{listed}")
