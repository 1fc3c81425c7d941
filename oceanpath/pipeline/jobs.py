"""What a worker does: make one part or one whole, and say how it went. Tasks travel to other processes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from oceanpath.errors import AccidentError, OceanPathError
from oceanpath.pipeline.fingerprint import numeric_libraries
from oceanpath.pipeline.plan import Step
from oceanpath.pipeline.processes import peak_memory_mb, reset_peak_memory
from oceanpath.pipeline.publish import PublishRequest, make
from oceanpath.pipeline.stage import Inputs, Part, Progress, Quiet, resolve
from oceanpath.pipeline.workspace import Manifest, Workspace


@dataclass(frozen=True)
class Job:
    """A step with all it needs to be made now."""

    step: Step
    identity: Mapping[str, Any]
    inputs: Inputs
    since: int | None = None
    """What was published before this moment is made again [ns, by the clock of the file system]: the step is forced."""


@dataclass(frozen=True)
class JobResult:
    """How a task went. With a manifest it is published; with an error it failed; with neither, another is at it."""

    manifest: Manifest | None = None
    now: bool = False
    """Whether this task made it; else it was there."""
    error: OceanPathError | None = None
    seconds: float = 0.0
    peak_mb: float | None = None
    notes: tuple[str, ...] = ()
    """Lines for the screen that were written in another process."""


@dataclass(frozen=True)
class WorkItem:
    """Make one part of a step, or, without a part, the whole of it."""

    workspace: Workspace
    job: Job
    part: Part | None = None
    wait: bool = True
    """Whether to wait for another process that is making the same thing."""
    upcoming: Part | None = None
    """See `Inputs.upcoming`."""

    @property
    def order(self) -> PublishRequest:
        """What is to be published; its work draws nothing."""
        return self._order(Quiet())

    def run(self, progress: Progress) -> JobResult:
        """Do it here. Errors come back in the result; interrupts pass."""
        started = time.perf_counter()
        reset_peak_memory()
        found, error = None, None
        try:
            found = make(self.workspace, self._order(progress), since=self.job.since, wait=self.wait)
        except OceanPathError as problem:
            error = problem
        seconds, peak = time.perf_counter() - started, peak_memory_mb()
        if found is None:
            return JobResult(error=error, seconds=seconds, peak_mb=peak)
        return JobResult(found[0], found[1], None, seconds, peak)

    def _order(self, progress: Progress) -> PublishRequest:
        stage, settings, inputs = self.job.step.stage, self.job.step.settings, self.job.inputs
        if self.part is None:
            work = resolve(stage.work)
            check = resolve(stage.check)
            write = _guarded(stage.name, work, lambda out: (settings, inputs, out, progress))
            parts = {key: place.name for key, place in inputs.parts.items()}
            digest = resolve(stage.digest) if stage.digest else None
            linked = (*inputs.earlier, *inputs.parts.values())
            return PublishRequest(
                stage.name, "stage", stage.version, self.job.identity, write, check, parts, digest=digest, linked=linked
            )
        part, inputs = self.part, replace(inputs, upcoming=self.upcoming)
        work = resolve(stage.part_work)
        write = _guarded(f"{stage.name} {part.key}", work, lambda out: (settings, inputs, part, out, progress))
        identity = {"stage": stage.name, "version": stage.version, "part": dict(part.identity)}
        return PublishRequest(stage.name, "part", stage.version, {**identity, "libraries": numeric_libraries()}, write)


def call(where: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Run a room's code. What it raises on purpose passes; anything else is its bug and says where it happened."""
    try:
        return work(*arguments)
    except OceanPathError:
        raise
    except OSError as error:
        raise AccidentError("the operating system refused", where=where, got=error) from error
    except Exception as error:  # the one border between the pipeline and the rooms
        trace = "".join(traceback.format_exception(error)).rstrip()
        raise AccidentError(f"{type(error).__name__}: {error}", where=where, do=f"This is a bug:\n{trace}") from error


def _guarded(where: str, work: Callable[..., Any], arguments: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], Any]:
    return lambda out: call(where, work, *arguments(out))


@dataclass
class Notes:
    """A Progress that keeps what it is told, for a screen in another process."""

    lines: list[str] = field(default_factory=list)

    def start(self, total: int, unit: str) -> None:
        """A bar cannot be drawn from here."""

    def advance(self, count: int = 1) -> None:
        """A bar cannot be moved from here."""

    def inside(self, done: float, pace: str) -> None:
        """A bar cannot be moved from here."""

    def phase(self, text: str) -> None:
        """A bar cannot be moved from here."""

    def note(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)
