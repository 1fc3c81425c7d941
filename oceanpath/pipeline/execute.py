"""Making one step: its parts if it has any, then the whole, each published on its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from oceanpath.errors import OceanPathError, StageError
from oceanpath.pipeline.fingerprint import numeric_libraries
from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.publish import Manifest, Order, Workspace, find, publish
from oceanpath.pipeline.stage import Inputs, Part, Progress, Summary, resolve


class Witness(Protocol):
    """Who is told of each part."""

    def part(self, key: str, manifest: Manifest | None, state: str, seconds: float, error: str) -> None:
        """A part is fresh, was made, or failed."""


@dataclass(frozen=True)
class Job:
    """A step with all it needs to be made now."""

    step: Step
    identity: Mapping[str, Any]
    inputs: Inputs
    replaces: bool = False
    """Whether what is published already, if anything, must give way: the step is forced, or that is damaged."""


def execute(workspace: Workspace, job: Job, progress: Progress, witness: Witness) -> Manifest:
    """Make and publish one step. Parts that are published already are not made again.

    Raises: OceanPathError: what the work raised. StageError: some parts failed (the others are published), or a bug.
    """
    stage = job.step.stage
    inputs = job.inputs
    if stage.parts:
        inputs = replace(inputs, parts=_parts(workspace, job, progress, witness))
    work = resolve(stage.work)
    order = Order(
        stage.name,
        "stage",
        stage.version,
        job.identity,
        lambda out: _call(stage.name, work, job.step.settings, inputs, out, progress),
        resolve(stage.check),
    )
    return publish(workspace, order, replace=job.replaces)


def _parts(workspace: Workspace, job: Job, progress: Progress, witness: Witness) -> dict[str, Path]:
    stage, settings = job.step.stage, job.step.settings
    parts: list[Part] = _call(stage.name, resolve(stage.parts), settings, job.inputs)
    progress.start(len(parts), "parts")
    places: dict[str, Path] = {}
    failures: list[tuple[str, OceanPathError]] = []
    for part in parts:
        order = _part_order(job, part, progress)
        started = time.perf_counter()
        manifest, damage = find(workspace, "part", stage.name, order.fingerprint)
        state = "fresh" if manifest and not job.replaces else "ok"
        try:
            if state == "ok":
                manifest = publish(workspace, order, replace=job.replaces or bool(damage))
            witness.part(part.key, manifest, state, time.perf_counter() - started, "")
            places[part.key] = workspace.place("part", stage.name, order.fingerprint)
        except OceanPathError as error:
            failures.append((part.key, error))
            witness.part(part.key, None, "failed", time.perf_counter() - started, error.render())
        progress.advance()
    if failures:
        raise _failed(stage.name, failures, len(parts))
    return places


def _part_order(job: Job, part: Part, progress: Progress) -> Order:
    stage, settings = job.step.stage, job.step.settings
    about = {
        "stage": stage.name,
        "version": stage.version,
        "part": dict(part.identity),
        "libraries": numeric_libraries(),
    }
    work = resolve(stage.part_work)
    within = _Notes(progress)

    def write(out: Path) -> Summary:
        made: Summary = _call(f"{stage.name} {part.key}", work, settings, job.inputs, part, out, within)
        return made

    return Order(stage.name, "part", stage.version, about, write)


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


def _call(where: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run a room's code. What it raises on purpose passes; anything else is its bug and says where it happened."""
    try:
        return work(*arguments)
    except OceanPathError:
        raise
    except OSError as error:
        raise StageError("the operating system refused", where=where, got=error) from error
    except Exception as error:  # the one border between the pipeline and the rooms
        trace = "".join(traceback.format_exception(error)).rstrip()
        raise StageError(f"{type(error).__name__}: {error}", where=where, do=f"This is a bug:\n{trace}") from error


def _failed(stage: str, failures: list[tuple[str, OceanPathError]], total: int) -> OceanPathError:
    if total == 1:
        return failures[0][1]
    listed = "".join(f"\n  {key}: {error.render()}" for key, error in failures)
    return StageError(f"{len(failures)} of {total} parts failed", where=stage, do=f"The others are kept.{listed}")
