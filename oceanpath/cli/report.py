"""What a finished run says: the figures with their floor, where things are, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.cli.cohort_flow import flow_lines
from oceanpath.pipeline.survey import State
from oceanpath.pipeline.workspace import Workspace


def report(states: list[State], experiment: str, workspace: Path) -> None:
    """Print the end of a run that went well."""
    if all(state.state == "fresh" for state in states):
        print(f"Everything is fresh: {len(states)} steps of {experiment}, nothing to do.")
    root = f"{workspace}/experiments/{experiment}"
    for state in states:
        metrics = state.manifest.summary["metrics"] if state.manifest else {}
        if "auroc" in metrics:
            _figures(state.step.name, metrics)
    for line in flow_lines(states, Workspace(workspace)):
        print(line)
    print("\nWhere things are")
    for state in states:
        print(f"  {state.step.name:<12} {root}/{state.step.name}")
    print("\nNext")
    for command in _next(states, root):
        print(f"  {command}")


def _figures(step: str, metrics: Mapping[str, Any]) -> None:
    """AUROC with its interval beside the floors."""
    print(f"\n{step}: test AUROC over the folds")
    rows = [("model", metrics["auroc"], metrics.get("auroc_low"), metrics.get("auroc_high"))]
    floors = sorted(name for name in metrics if name.startswith("floor_"))
    rows += [(name.removeprefix("floor_"), metrics[name], None, None) for name in floors]
    for name, value, low, high in rows:
        shown = "undefined" if value is None else f"{value:.3f}"
        interval = "" if low is None or high is None else f"   95 % interval {low:.3f} to {high:.3f}"
        print(f"  {name:<18} {shown}{interval}")


def _next(states: list[State], root: str) -> list[str]:
    names = {state.step.stage.name for state in states}
    commands = ["oceanpath ledger show"]
    if "export" in names:
        commands.append(f"oceanpath serve {root}/export")
    if "train" in names:
        commands.append("oceanpath train --model static")
    return commands
