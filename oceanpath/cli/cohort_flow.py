"""Number of slides at each step from the table to the folds, printed at the end of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from oceanpath.pipeline.integrity import verify_files
from oceanpath.pipeline.status import StepState
from oceanpath.pipeline.workspace import Workspace

MAX_SHOWN = 20


def flow_lines(states: Iterable[StepState], workspace: Workspace) -> list[str]:
    """Lines for each split that lacks slides of its table; failed slides are listed.

    Raises: ArtifactError: splits.json is damaged.
    """
    lines: list[str] = []
    for state in states:
        if state.step.stage.name == "split" and state.manifest is not None:
            folder = workspace.folder("stage", "split", state.fingerprint)
            verify_files(folder, ["splits.json"])
            flow = json.loads((folder / "splits.json").read_text(encoding="utf-8")).get("cohort_flow", {})
            if flow and flow["used"] < flow["in_table"]:
                lines += _lines(state.step.name, flow)
    return lines


def _lines(step: str, flow: dict[str, Any]) -> list[str]:
    counts = {"failed": flow["failed"], "blank": flow["blank"], **flow["excluded"]}
    lost = ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)
    failed = [f"  {name}: {reason}" for name, reason in flow["failed_slides"].items()]
    more = [f"  and {len(failed) - MAX_SHOWN} more; see splits.json"] if len(failed) > MAX_SHOWN else []
    heading = [f"\n{step}: slides that failed"] if failed else []
    return [
        f"\n{step}: {flow['in_table']} slides in the table, {flow['with_features']} with features, {flow['used']} used",
        f"  left out: {lost}",
        *heading,
        *failed[:MAX_SHOWN],
        *more,
    ]
