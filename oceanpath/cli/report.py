"""What a finished run says: the figures with their floor, where things are, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from oceanpath.cli.options import Common
from oceanpath.pipeline.runner import State


def report(states: list[State], experiment: str, common: Common) -> None:
    """Print the end of a run that went well."""
    if common.as_json:
        print(json.dumps([facts(state) for state in states]))
        return
    if all(state.state == "fresh" for state in states):
        print(f"Everything is fresh: {len(states)} steps of {experiment}, nothing to do.")
    root = f"{common.workspace}/experiments/{experiment}"
    for state in states:
        metrics = state.manifest.summary["metrics"] if state.manifest else {}
        if "auroc" in metrics:
            _figures(state.step.name, metrics)
    print("\nWhere things are")
    for state in states:
        print(f"  {state.step.name:<12} {root}/{state.step.name}")
    print("\nNext")
    for command in _next(states, root):
        print(f"  {command}")


def facts(state: State) -> dict[str, Any]:
    """A step as one JSON object."""
    said: dict[str, Any] = {"step": state.step.name, "stage": state.step.stage.name}
    said |= {"fingerprint": state.fingerprint or None, "state": state.state, "why": state.why}
    if state.manifest is not None:
        said["metrics"] = dict(state.manifest.summary["metrics"])
    return said


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
