"""The status of a plan: which steps are fresh, which must run, and why. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.digests import Content, DigestCache
from oceanpath.pipeline.explain import reasons
from oceanpath.pipeline.fingerprint import fingerprint
from oceanpath.pipeline.ledger import READ_BY_RUNS, Ledger
from oceanpath.pipeline.plan import Plan, Step
from oceanpath.pipeline.workspace import Manifest, Workspace, find


@dataclass
class StepState:
    """The state of one step."""

    step: Step
    state: str
    """Before a run: fresh, run (must be computed), pending (a parent comes first). After it: fresh, ok, failed,
    skipped."""
    fingerprint: str = ""
    why: list[str] = field(default_factory=list)
    manifest: Manifest | None = None
    damaged: bool = False
    seconds: float = 0.0
    error: OceanPathError | None = None


@dataclass
class StatusInspector:
    """Determines the state of each step, in plan order, without changing anything."""

    plan: Plan
    workspace: Workspace
    last: Mapping[str, Mapping[str, Any] | None]
    """Step → the identity of its last complete result in this experiment."""
    forced: frozenset[str] = frozenset()
    digests: dict[str, str] = field(default_factory=dict)
    """Output digest of each step whose result is published."""

    def inspect(self, step: Step) -> tuple[StepState, dict[str, Any], dict[str, Content]]:
        """The current state of a step, its identity and its outside contents."""
        contents = step.contents(DigestCache(self.workspace.digests))
        missing = sorted(name for name in step.upstream() if name not in self.digests)
        if missing:
            return StepState(step, "pending", why=[f"{name} must run first" for name in missing]), {}, contents
        identity = step.identity(self.digests, contents)
        name = fingerprint(identity)
        manifest, damage = find(self.workspace, "stage", step.stage.name, name)
        if step.name in self.forced:
            return StepState(step, "run", name, ["forced"]), identity, contents
        if manifest is not None:
            self.digests[step.name] = manifest.digest
            return StepState(step, "fresh", name, manifest=manifest), identity, contents
        why = [f"damaged: {damage}"] if damage else reasons(self.last.get(step.name), identity)
        return StepState(step, "run", name, why, damaged=bool(damage)), identity, contents


def forced_steps(plan: Plan, stages: Iterable[str]) -> frozenset[str]:
    """The named stages and all that depend on them, as step names. Raises: ExperimentError: no such stage."""
    names = {plan.experiment.catalog.stage(name).name for name in stages}
    forced = {step.name for step in plan.steps if step.stage.name in names}
    for step in plan.steps:
        if step.upstream() & forced:
            forced.add(step.name)
    return frozenset(forced)


def inspect_plan(plan: Plan, workspace: Workspace, forced: Iterable[str] = ()) -> list[StepState]:
    """The state of each step, for a dry run; nothing is written but the digest cache."""
    last: dict[str, Mapping[str, Any] | None] = {}
    if workspace.ledger.exists():
        with Ledger(workspace.ledger, read_only=True, tables=READ_BY_RUNS) as ledger:
            last = {step.name: ledger.last_identity(plan.experiment.name, step.name) for step in plan.steps}
    inspector = StatusInspector(plan, workspace, last, forced_steps(plan, forced))
    return [_state(inspector, step) for step in plan.steps]


def _state(inspector: StatusInspector, step: Step) -> StepState:
    """The state of a step in a dry run: an input that does not exist yet is not an error."""
    try:
        return inspector.inspect(step)[0]
    except OceanPathError as error:
        return StepState(step, "pending", why=[error.render()])
