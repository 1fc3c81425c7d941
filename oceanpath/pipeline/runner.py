"""Running a plan: what is fresh stays, what is not is made, and the ledger says why."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from oceanpath.errors import OceanPathError, StageError, refuse
from oceanpath.pipeline.digests import Content
from oceanpath.pipeline.experiment_folder import ExperimentFolder
from oceanpath.pipeline.leases import in_use, runs
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan, Step
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.pipeline.status import StatusInspector, StepState
from oceanpath.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from oceanpath.pipeline.jobs import JobResult
    from oceanpath.pipeline.workers import Executor


class Screen(Protocol):
    """Who draws a run."""

    def begin(self, step: Step, why: list[str], /) -> Progress:
        """A step starts; what comes back is told of its progress."""

    def end(self, state: StepState, /) -> None:
        """A step is over, or was fresh."""


Published = Callable[[Step, Path], None]


def ignore(_step: Step, _folder: Path) -> None:
    """Do nothing about a part that is there."""


@dataclass
class Runner:
    """One run of one plan, by the one process that writes the ledger.

    The ledger has the run from the moment it first makes something; one that makes nothing is entered as it ends.
    """

    plan: Plan
    workspace: Workspace
    ledger: Ledger
    command: str
    """What the user typed."""
    screen: Screen
    forced: frozenset[str] = frozenset()
    jobs: int = 1
    """Steps and parts that are made at once, each in a process of its own; 1 makes everything in this one."""
    keep_going: bool = False
    """After a failure, go on with the steps that do not depend on it."""
    published: Published = ignore
    """Told of every part that is there: its step and its folder."""
    verify: bool = True
    """Whether a step compares what it reads with its sealed digests."""
    states: dict[str, StepState] = field(default_factory=dict)
    folder: ExperimentFolder = field(init=False)
    """Links to what the experiment uses."""
    _inspector: StatusInspector = field(init=False)
    _run: int | None = None
    """Its number in the ledger."""
    _since: int = 0
    """When it began [ns], by the clock of the workspace's file system."""
    _workers: Executor | None = None
    _notes: list[str] | None = None
    """What the look ahead found worth a line, until it is said; None before it."""
    _unchanged_steps: list[tuple[StepState, dict[str, Any]]] = field(default_factory=list)
    _step_lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for all bookkeeping: with several jobs each step is watched by a thread."""

    def __post_init__(self) -> None:
        name = self.plan.experiment.name
        last = {step.name: self.ledger.last_identity(name, step.name) for step in self.plan.steps}
        self._inspector = StatusInspector(self.plan, self.workspace, last, self.forced)
        self.folder = ExperimentFolder(self.workspace, name)

    def go(self) -> list[StepState]:
        """Make every step that is not fresh. What depends on a failed step is skipped.

        Meanwhile nothing is removed from the workspace but what killed processes left half made.
        """
        with in_use(self.workspace) as self._since:
            self.workspace.sweep()
            return self._go()

    def _go(self) -> list[StepState]:
        ended, said = "failed", ""
        try:
            if self.jobs == 1:
                for step in self.plan.steps:
                    self._run_step(step)
            else:
                watch(self.plan, self.jobs, self._run_step, self._stop)
            self.folder.keep(step.name for step in self.plan.steps)
            problem = first_error(self.states.values())
            ended, said = ("failed", problem.render()) if problem else ("ok", "")
        except OceanPathError as problem:
            said = problem.render()
            raise
        except KeyboardInterrupt:
            ended = "interrupted"
            raise
        finally:
            self._stop()
            self._write_end(ended, said)
        return [self.states[step.name] for step in self.plan.steps]

    def _stop(self) -> None:
        if self._workers is not None:
            self._workers.close()

    def _run_step(self, step: Step) -> None:
        with self._step_lock:
            lost = self._lost(step)
            if lost:
                self._over(StepState(step, "skipped", why=lost), {})
                return
            state, identity, contents = self._inspect(step)
            inputs = self._inputs(step, contents, afresh=step.name in self.forced or state.damaged)
        if state.state != "fresh":
            state = self._make(state, identity, inputs)
        with self._step_lock:
            if state.manifest is not None:
                self._inspector.digests[step.name] = state.manifest.digest
            self._over(state, identity)
            self._link(state)

    def _inspect(self, step: Step) -> tuple[StepState, dict[str, Any], dict[str, Content]]:
        """How a step stands; before the first one that is not fresh, all that is known to be wrong is refused.

        Raises: OceanPathError: something is.
        """
        try:
            found = self._inspector.look(step)
        except OceanPathError:
            self._refuse_known()
            raise
        if found[0].state != "fresh":
            self._refuse_known()
        return found

    def _refuse_known(self) -> None:
        if self._notes is None:
            from oceanpath.pipeline.preflight import run_preflight  # not needed when all is fresh

            published = {name: self._place(name) for name, state in self.states.items() if state.manifest}
            found = run_preflight(self.plan, published, self.workspace.root, verify=self.verify)
            refuse([*found.absent, *found.problems])
            self._notes = found.notes

    def _lost(self, step: Step) -> list[str]:
        """Why a step is not to be made: something before it failed."""
        bad = [name for name, state in self.states.items() if state.state in ("failed", "skipped")]
        if not self.keep_going and bad:
            return [f"{bad[0]} failed"]
        return [f"{name} failed" for name in sorted(step.upstream()) if name in bad]

    def _make(self, state: StepState, identity: dict[str, Any], inputs: Inputs) -> StepState:
        from oceanpath.pipeline.execute import ExecutionContext, execute  # not needed when all is fresh
        from oceanpath.pipeline.jobs import Job

        step = state.step
        with self._step_lock:
            workers = self._open_workers()
            number = self.ledger.add_step(self._number(), step.name, identity, **self._facts(state), state="running")
            progress = self.screen.begin(step, state.why)
            while self._notes:
                progress.note(self._notes.pop(0))
        started = time.perf_counter()
        job = Job(step, identity, inputs, since=self._since if step.name in self.forced else None)
        facts: dict[str, Any] = {"state": "interrupted", "error": None}
        try:
            state.manifest, facts["peak_mb"] = execute(
                ExecutionContext(self.workspace, workers, progress, self._part_recorder(number, step)), job
            )
            facts["state"] = "ok"
        except OceanPathError as problem:
            facts |= {"state": "failed", "error": problem.render()}
            state.error = problem
        finally:
            facts["seconds"] = state.seconds = time.perf_counter() - started
            with self._step_lock:
                if state.manifest is not None:
                    self.ledger.add_artifact(state.manifest)
                self.ledger.end_step(number, **facts)
        state.state = facts["state"]
        return state

    def _open_workers(self) -> Executor:
        """Before the first thing is made: record what it is made with, start the workers."""
        if self._workers is None:
            from oceanpath.pipeline.environment import environment
            from oceanpath.pipeline.workers import InlineExecutor, ProcessExecutor

            self.ledger.set_environment(self._number(), environment())
            self._workers = InlineExecutor() if self.jobs == 1 else ProcessExecutor(self.jobs)
        return self._workers

    def _part_recorder(self, number: int, step: Step) -> PartRecorder:
        def published(fingerprint: str) -> None:
            self.published(step, self.workspace.place("part", step.stage.name, fingerprint))

        return PartRecorder(self.ledger, number, self._step_lock, published)

    def _over(self, state: StepState, identity: dict[str, Any]) -> None:
        self.states[state.step.name] = state
        if state.state in ("fresh", "skipped"):
            self._unchanged_steps.append((state, identity))
        self.screen.end(state)

    def _number(self) -> int:
        if self._run is None:
            experiment = self.plan.experiment
            living = runs(self.workspace)
            self._run = self.ledger.start_run(experiment.name, str(experiment.path), self.command, living)
        return self._run

    def _write_end(self, ended: str, said: str) -> None:
        """Record the steps that needed no work, and the end, in one transaction: a run with nothing to do is quick."""
        with self.ledger.transaction():
            run = self._number()
            for state, identity in self._unchanged_steps:
                if state.manifest is not None and not self.ledger.knows(state.fingerprint):
                    self.ledger.add_artifact(state.manifest)
                self.ledger.add_step(run, state.step.name, identity, **self._facts(state), state=state.state)
            self.ledger.end_run(run, ended, said)

    def _facts(self, state: StepState) -> dict[str, Any]:
        place = {"position": self.plan.steps.index(state.step), "stage": state.step.stage.name}
        return {**place, "fingerprint": state.fingerprint or None, "why": state.why}

    def _inputs(self, step: Step, contents: Mapping[str, Content], *, afresh: bool) -> Inputs:
        """What the step reads; made `afresh`, it shares no bytes with what was published before."""
        places = {name: self._place(name) for name in step.upstream()}
        digests = {s: m.digest for s, name in step.parents.items() if (m := self.states[name].manifest)}
        return Inputs(
            parents={stage: places[name] for stage, name in step.parents.items()},
            digests=digests,
            files={name: content.files for name, content in contents.items()},
            versions={name: content.stats for name, content in contents.items()},
            earlier=self.workspace.earlier(step.stage.name) if step.stage.extends and not afresh else (),
            across={s: {v: places[name] for v, name in steps.items()} for s, steps in step.across.items()},
            verify=self.verify,
        )

    def _place(self, name: str) -> Path:
        state = self.states[name]
        return self.workspace.place("stage", state.step.stage.name, state.fingerprint)

    def _link(self, state: StepState) -> None:
        """Let ``experiments/<name>/<step>`` point at what the experiment uses now, for people."""
        if state.manifest is not None:
            self.folder.link(state.step.name, self._place(state.step.name), state.manifest.digest)


@dataclass
class PartRecorder:
    """Writes down each part of a step."""

    ledger: Ledger
    step: int
    step_lock: threading.RLock
    published: Callable[[str], None]

    def part(self, key: str, fingerprint: str, made: JobResult) -> None:
        """Record how one part ended, with its error if it failed."""
        state = "failed" if made.error else "ok" if made.now else "fresh"
        with self.step_lock:
            if made.manifest is not None and (made.now or not self.ledger.knows(fingerprint)):
                self.ledger.add_artifact(made.manifest)
            error = made.error.render() if made.error else ""
            self.ledger.add_part(self.step, key, fingerprint, state, made.seconds, error)
            if made.manifest is not None:
                self.published(fingerprint)


def watch(plan: Plan, jobs: int, settle: Callable[[Step], None], stop: Callable[[], None]) -> None:
    """Settle every step of a plan, up to `jobs` at once, each as soon as all before it are settled.

    `stop` is called when one is interrupted, so that the others end too; they are not waited for.
    """
    from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

    waiting, done = list(plan.steps), set[str]()
    running: dict[Future[None], str] = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        while waiting or running:
            for step in [step for step in waiting if step.upstream() <= done]:
                waiting.remove(step)
                running[pool.submit(settle, step)] = step.name
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                done.add(running.pop(future))
                future.result()
    except BaseException:
        stop()
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def first_error(states: Iterable[StepState]) -> OceanPathError | None:
    """The error a run ends with: the only one there was, or a StageError that counts them."""
    errors = [state.error for state in states if state.error is not None]
    if len(errors) <= 1:
        return errors[0] if errors else None
    return StageError(f"{len(errors)} steps failed", do="\n".join(error.render() for error in errors))
