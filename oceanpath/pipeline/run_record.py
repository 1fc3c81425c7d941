"""The ledger's record of one run and of the parts of its steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oceanpath.pipeline.leases import runs
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.workspace import Manifest, Workspace

if TYPE_CHECKING:
    from oceanpath.pipeline.work_items import JobResult


@dataclass
class RunRecord:
    """One run in the ledger: added with the first computed step, or at the end if there is none."""

    plan: Plan
    workspace: Workspace
    ledger: Ledger
    command: str
    """The command line."""
    _run: int | None = None
    _unchanged: list[tuple[StepState, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Number of the run, which is added to the ledger on first use."""
        if self._run is None:
            experiment, running = self.plan.experiment, runs(self.workspace)
            self._run = self.ledger.start_run(experiment.name, str(experiment.path), self.command, running)
        return self._run

    def set_environment(self, environment: Mapping[str, Any]) -> None:
        """Record the software and hardware of a run that computes results."""
        self.ledger.set_environment(self.number, environment)

    def start_step(self, state: StepState, identity: Mapping[str, Any]) -> int:
        """Record that a step starts; returns its number."""
        return self.ledger.add_step(self.number, state.step.name, identity, **self._facts(state), state="running")

    def end_step(self, number: int, manifest: Manifest | None, **facts: Any) -> None:
        """Record how a step ended, and what it published."""
        if manifest is not None:
            self.ledger.add_artifact(manifest)
        self.ledger.end_step(number, **facts)

    def add_unchanged(self, state: StepState, identity: Mapping[str, Any]) -> None:
        """Note a step that needed no work, or was skipped, to be recorded at the end of the run."""
        self._unchanged.append((state, identity))

    def end(self, state: str, error: str) -> None:
        """Record the unchanged steps and the end of the run, in one transaction."""
        with self.ledger.transaction():
            run = self.number
            for step, identity in self._unchanged:
                if step.manifest is not None and not self.ledger.has_artifact(step.fingerprint):
                    self.ledger.add_artifact(step.manifest)
                self.ledger.add_step(run, step.step.name, identity, **self._facts(step), state=step.state)
            self.ledger.end_run(run, state, error)

    def _facts(self, state: StepState) -> dict[str, Any]:
        position = {"position": self.plan.steps.index(state.step), "stage": state.step.stage.name}
        return {**position, "fingerprint": state.fingerprint or None, "why": state.why}


@dataclass
class PartRecorder:
    """Records each part of a step in the ledger."""

    ledger: Ledger
    step: int
    lock: threading.RLock
    published: Callable[[str], None]
    """Called with the fingerprint of every published part."""

    def part(self, key: str, fingerprint: str, result: JobResult) -> None:
        """Record how one part ended, with its error if it failed."""
        state = "failed" if result.error else "ok" if result.now else "fresh"
        with self.lock, self.ledger.transaction():  # a transaction takes several waits for the disk
            if result.manifest is not None and (result.now or not self.ledger.has_artifact(fingerprint)):
                self.ledger.add_artifact(result.manifest)
            error = result.error.render() if result.error else ""
            self.ledger.add_part(self.step, key, fingerprint, state, result.seconds, error)
        if result.manifest is not None:
            self.published(fingerprint)
