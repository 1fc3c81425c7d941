"""Units of work: one part of a step, or its combined result. They are pickled to run in another process."""

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
from oceanpath.pipeline.publish import PublishRequest, publish_once
from oceanpath.pipeline.stage import Inputs, Part, Progress, Quiet, resolve
from oceanpath.pipeline.workspace import Manifest, Workspace


@dataclass(frozen=True)
class Job:
    """A step with everything that is needed to run it."""

    step: Step
    identity: Mapping[str, Any]
    inputs: Inputs
    since: int | None = None
    """Results published before this time are replaced [ns, by the clock of the file system]: the step is forced."""


@dataclass(frozen=True)
class JobResult:
    """The result of a work item: a manifest, an error, or neither if another process is computing the same result."""

    manifest: Manifest | None = None
    now: bool = False
    """Whether this item published it; False if it was already published."""
    error: OceanPathError | None = None
    seconds: float = 0.0
    peak_mb: float | None = None
    notes: tuple[str, ...] = ()
    """Lines for the screen that were written in another process."""


@dataclass(frozen=True)
class WorkItem:
    """Compute one part of a step or, without a part, its combined result."""

    workspace: Workspace
    job: Job
    part: Part | None = None
    wait: bool = True
    """Whether to wait for another process that is computing the same result."""
    upcoming: Part | None = None
    """See `Inputs.upcoming`."""

    @property
    def request(self) -> PublishRequest:
        """What to publish; its work reports no progress."""
        return self._request(Quiet())

    def run(self, progress: Progress) -> JobResult:
        """Do the work in this process. Errors are returned in the result; interruptions are raised."""
        started = time.perf_counter()
        reset_peak_memory()
        published, error = None, None
        try:
            published = publish_once(self.workspace, self._request(progress), since=self.job.since, wait=self.wait)
        except OceanPathError as problem:
            error = problem
        seconds, peak = time.perf_counter() - started, peak_memory_mb()
        if published is None:
            return JobResult(error=error, seconds=seconds, peak_mb=peak)
        return JobResult(published[0], published[1], None, seconds, peak)

    def _request(self, progress: Progress) -> PublishRequest:
        return self._whole(progress) if self.part is None else self._part(self.part, progress)

    def _whole(self, progress: Progress) -> PublishRequest:
        stage, settings, inputs = self.job.step.stage, self.job.step.settings, self.job.inputs
        work = resolve(stage.work)
        return PublishRequest(
            stage.name,
            "stage",
            stage.version,
            self.job.identity,
            write=lambda out: call(stage.name, work, settings, inputs, out, progress),
            check=resolve(stage.check),
            parts={key: folder.name for key, folder in inputs.parts.items()},
            digest=resolve(stage.digest) if stage.digest else None,
            linked=(*inputs.earlier, *inputs.parts.values()),
        )

    def _part(self, part: Part, progress: Progress) -> PublishRequest:
        stage, settings = self.job.step.stage, self.job.step.settings
        inputs = replace(self.job.inputs, upcoming=self.upcoming)
        work = resolve(stage.part_work)
        identity = {"stage": stage.name, "version": stage.version, "part": dict(part.identity)}
        return PublishRequest(
            stage.name,
            "part",
            stage.version,
            {**identity, "libraries": numeric_libraries()},
            write=lambda out: call(f"{stage.name} {part.key}", work, settings, inputs, part, out, progress),
            resumes=stage.resumes_parts,
        )


def call(where: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a stage.

    Raises: OceanPathError: raised by the function. AccidentError: an error of the system, or a bug of the function.
    """
    try:
        return work(*arguments)
    except OceanPathError:
        raise
    except OSError as error:
        raise AccidentError("an operation of the system failed", where=where, got=error) from error
    except Exception as error:  # the one boundary between the pipeline and the stages
        trace = "".join(traceback.format_exception(error)).rstrip()
        raise AccidentError(f"{type(error).__name__}: {error}", where=where, do=f"This is a bug:\n{trace}") from error


@dataclass
class Notes(Quiet):
    """A `Progress` that keeps its lines, for a screen in another process."""

    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)
