"""A run in which every step is published: it is recorded, and its links are checked, without an executor."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from oceanpath.errors import OceanPathError
from oceanpath.pipeline.experiment_folder import ExperimentFolder
from oceanpath.pipeline.leases import in_use
from oceanpath.pipeline.ledger import Ledger
from oceanpath.pipeline.plan import Plan
from oceanpath.pipeline.run_record import RunRecord
from oceanpath.pipeline.status import StatusInspector, StepState
from oceanpath.pipeline.workspace import Workspace

Inspected = list[tuple[StepState, dict[str, Any]]]


def confirm(
    plan: Plan, workspace: Workspace, ledger: Ledger, command: str, cohorts: Collection[str]
) -> list[StepState] | None:
    """The states of the steps if all are published; None, without any change, if one must run.

    Args:
        plan: The plan.
        workspace: The workspace.
        ledger: Its ledger.
        command: The command line, for the ledger.
        cohorts: Names of the external cohorts of the experiment.

    Raises: OceanPathError: the run cannot be recorded, or a link cannot be set.
    """
    record, folder = RunRecord(plan, workspace, ledger, command), ExperimentFolder(workspace, plan.experiment.name)
    with in_use(workspace):
        workspace.remove_unfinished()
        inspected = _inspect(plan, workspace)
        if inspected is None:
            return None
        for state, identity in inspected:
            record.add_unchanged(state, identity)
            if state.manifest is not None:
                published = workspace.folder("stage", state.step.stage.name, state.fingerprint)
                folder.link(state.step.name, published, state.manifest.digest)
        folder.keep((step.name for step in plan.steps), cohorts)
        record.end("ok", "")
    return [state for state, _ in inspected]


def _inspect(plan: Plan, workspace: Workspace) -> Inspected | None:
    """State and identity of each step; None if one is not published or its input cannot be read."""
    inspector, inspected = StatusInspector(plan, workspace, {}), Inspected()
    for step in plan.steps:
        try:
            state, identity, _ = inspector.inspect(step)
        except OceanPathError:
            return None  # the run of the whole experiment reports it
        if state.state != "fresh":
            return None
        inspected.append((state, identity))
    return inspected
