"""Running a plan: published results are kept, all other steps are computed and recorded in the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from oceanpath.errors import OceanPathError, StageError, refuse
from oceanpath.pipeline.digests import Content
from oceanpath.pipeline.executors.registry import AUTO, check_executor, create_executor
from oceanpath.pipeline.experiment import Experiment
from oceanpath.pipeline.experiment_folder import ExperimentFolder
from oceanpath.pipeline.leases import in_use
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan, Step
from oceanpath.pipeline.run_record import PartRecorder, RunRecord
from oceanpath.pipeline.scheduler import run_steps
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.pipeline.status import StatusInspector, StepState
from oceanpath.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from oceanpath.pipeline.executors.base import Executor


class Screen(Protocol):
    """Shows a run to the user."""

    def begin(self, step: Step, why: list[str], /) -> Progress:
        """A step starts; its progress is reported to the returned object."""

    def end(self, state: StepState, /) -> None:
        """A step has ended, or needed no work."""


Published = Callable[[Step, Path], None]


def ignore(_step: Step, _folder: Path) -> None:
    """Do nothing about a published part."""


def executor_options(experiment: Experiment) -> Mapping[str, Any]:
    """The table of the executor's options, which has its name: ``[runtime.slurm]`` for slurm."""
    runtime = experiment.base.value("runtime")
    table: Mapping[str, Any] = getattr(runtime, runtime.executor, {})
    return table


@dataclass(frozen=True)
class RunOptions:
    """Options of a run; none of them changes a result."""

    forced: frozenset[str] = frozenset()
    """Steps that are computed again although their results are published."""
    jobs: int = 1
    """Number of steps and parts that run in parallel."""
    executor: str = AUTO
    """Name of the executor that runs them."""
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    """The table of its options."""
    keep_going: bool = False
    """Whether steps that do not depend on a failed one are run."""
    verify: bool = True
    """Whether a step compares the files that it reads with their sealed digests."""
    published: Published = ignore
    """Called with the step and the folder of every published part."""


@dataclass
class Runner:
    """One run of one plan, by the one process that writes the ledger."""

    plan: Plan
    workspace: Workspace
    ledger: Ledger
    command: str
    """The command line."""
    screen: Screen
    options: RunOptions = RunOptions()
    folder: ExperimentFolder = field(init=False)
    """Links to the results that the experiment uses."""
    _states: dict[str, StepState] = field(default_factory=dict)
    """Step → its state, for steps that have ended."""
    _inspector: StatusInspector = field(init=False)
    _record: RunRecord = field(init=False)
    _since: int = 0
    """When the run began [ns], by the clock of the workspace's file system."""
    _executor: Executor | None = None
    _notes: list[str] | None = None
    """Lines of the preflight that are not printed yet; None before the preflight."""
    _lock: threading.RLock = field(default_factory=threading.RLock)
    """Lock for all state: with several jobs each step has a thread."""

    def __post_init__(self) -> None:
        check_executor(self.options.executor, self.options.jobs)
        name = self.plan.experiment.name
        last = {step.name: self.ledger.last_identity(name, step.name) for step in self.plan.steps}
        self._inspector = StatusInspector(self.plan, self.workspace, last, self.options.forced)
        self._record = RunRecord(self.plan, self.workspace, self.ledger, self.command)
        self.folder = ExperimentFolder(self.workspace, name)

    def run(self) -> list[StepState]:
        """Compute every step whose result is not published. Steps that depend on a failed one are skipped.

        In the meantime only unfinished folders of killed processes are removed from the workspace.
        """
        with in_use(self.workspace) as self._since:
            self.workspace.remove_unfinished()
            return self._run()

    def _run(self) -> list[StepState]:
        state, error = "failed", ""
        try:
            run_steps(self.plan, self.options.jobs, self._run_step, self._stop)
            cohorts = {name for variant in self.plan.experiment.variants for name in variant.cohorts}
            self.folder.keep((step.name for step in self.plan.steps), cohorts)
            problem = first_error(self._states.values())
            state, error = ("failed", problem.render()) if problem else ("ok", "")
        except OceanPathError as problem:
            error = problem.render()
            raise
        except KeyboardInterrupt:
            state = "interrupted"
            raise
        finally:
            self._stop()
            self._record.end(state, error)
        return [self._states[step.name] for step in self.plan.steps]

    def _stop(self) -> None:
        if self._executor is not None:
            self._executor.close()

    def _run_step(self, step: Step) -> None:
        with self._lock:
            reasons = self._reasons_to_skip(step)
            if reasons:
                self._end_step(StepState(step, "skipped", why=reasons), {})
                return
            state, identity, contents = self._inspect(step)
            repeated = step.name in self.options.forced or state.damaged
            inputs = self._inputs(step, contents, reuse=not repeated)
        if state.state != "fresh":
            state = self._make(state, identity, inputs)
        with self._lock:
            if state.manifest is not None:
                self._inspector.digests[step.name] = state.manifest.digest
            self._end_step(state, identity)
            self._link(state)

    def _inspect(self, step: Step) -> tuple[StepState, dict[str, Any], dict[str, Content]]:
        """State, identity and outside contents of a step. The first step that must run starts the preflight.

        Raises: OceanPathError: the preflight has problems.
        """
        try:
            inspected = self._inspector.inspect(step)
        except OceanPathError:
            self._run_preflight()
            raise
        if inspected[0].state != "fresh":
            self._run_preflight()
        return inspected

    def _run_preflight(self) -> None:
        if self._notes is None:
            from oceanpath.pipeline.preflight import run_preflight  # not needed when all is fresh

            published = {name: self._folder_of(name) for name, state in self._states.items() if state.manifest}
            result = run_preflight(self.plan, published, self.workspace.root, verify=self.options.verify)
            refuse([*result.absent, *result.problems])
            self._notes = result.notes

    def _reasons_to_skip(self, step: Step) -> list[str]:
        """The failures because of which a step is not run."""
        failed = [name for name, state in self._states.items() if state.state in ("failed", "skipped")]
        if not self.options.keep_going and failed:
            return [f"{failed[0]} failed"]
        return [f"{name} failed" for name in sorted(step.upstream()) if name in failed]

    def _make(self, state: StepState, identity: dict[str, Any], inputs: Inputs) -> StepState:
        from oceanpath.pipeline.execute import ExecutionContext, execute  # not needed if all is fresh
        from oceanpath.pipeline.work_items import Job

        step = state.step
        with self._lock:
            executor = self._open_executor()
            number = self._record.start_step(state, identity)
            progress = self.screen.begin(step, state.why)
            while self._notes:
                progress.note(self._notes.pop(0))
        started = time.perf_counter()
        job = Job(step, identity, inputs, since=self._since if step.name in self.options.forced else None)
        facts: dict[str, Any] = {"state": "interrupted", "error": None}
        try:
            context = ExecutionContext(self.workspace, executor, progress, self._part_recorder(number, step))
            state.manifest, facts["peak_mb"] = execute(context, job)
            facts["state"] = "ok"
        except OceanPathError as problem:
            facts |= {"state": "failed", "error": problem.render()}
            state.error = problem
        finally:
            facts["seconds"] = state.seconds = time.perf_counter() - started
            with self._lock:
                self._record.end_step(number, state.manifest, **facts)
        state.state = facts["state"]
        return state

    def _open_executor(self) -> Executor:
        """The executor; before its first use, the software and hardware are recorded."""
        if self._executor is None:
            from oceanpath.pipeline.environment import environment  # not needed when all is fresh

            self._record.set_environment(environment())
            self._executor = create_executor(self.options.executor, self.options.jobs, self.options.executor_options)
        return self._executor

    def _part_recorder(self, number: int, step: Step) -> PartRecorder:
        def published(fingerprint: str) -> None:
            self.options.published(step, self.workspace.folder("part", step.stage.name, fingerprint))

        return PartRecorder(self.ledger, number, self._lock, published)

    def _end_step(self, state: StepState, identity: dict[str, Any]) -> None:
        self._states[state.step.name] = state
        if state.state in ("fresh", "skipped"):
            self._record.add_unchanged(state, identity)
        self.screen.end(state)

    def _inputs(self, step: Step, contents: Mapping[str, Content], *, reuse: bool) -> Inputs:
        """The inputs of a step; without `reuse` it shares no files with earlier results of its stage."""
        folders = {name: self._folder_of(name) for name in step.upstream()}
        digests = {stage: m.digest for stage, name in step.parents.items() if (m := self._states[name].manifest)}
        return Inputs(
            parents={stage: folders[name] for stage, name in step.parents.items()},
            digests=digests,
            files={name: content.files for name, content in contents.items()},
            versions={name: content.stats for name, content in contents.items()},
            earlier=self.workspace.earlier(step.stage.name) if step.stage.extends and reuse else (),
            across={s: {v: folders[name] for v, name in steps.items()} for s, steps in step.across.items()},
            verify=self.options.verify,
        )

    def _folder_of(self, name: str) -> Path:
        state = self._states[name]
        return self.workspace.folder("stage", state.step.stage.name, state.fingerprint)

    def _link(self, state: StepState) -> None:
        """Link ``experiments/<name>/<step>`` to the current result."""
        if state.manifest is not None:
            self.folder.link(state.step.name, self._folder_of(state.step.name), state.manifest.digest)


def first_error(states: Iterable[StepState]) -> OceanPathError | None:
    """The error of a run: the only one, or a StageError that lists several."""
    errors = [state.error for state in states if state.error is not None]
    if len(errors) <= 1:
        return errors[0] if errors else None
    return StageError(f"{len(errors)} steps failed", do="\n".join(error.render() for error in errors))
