"""The files of a finished training."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.pretrained import WEIGHTS, WeightFacts, read_weights, write_weights
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.errors import ArtifactError
from oceanpath.figures.pretraining import draw_monitors
from oceanpath.fit.saved_state import read_state
from oceanpath.ssl.methods.base import Method
from oceanpath.stages.pretrain.checkpoints import BEST, LAST, TrainingState

MONITORS, CURVES, RESULT = "monitors.csv", "curves.png", "pretrain.json"
RULES = {"loss": "lowest validation loss", "lidar": "highest LiDAR of validation views"}


def write_outputs(
    out: Path, method: Method, facts: WeightFacts, state: TrainingState, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the weights of the selected step, the monitors, their figure and pretrain.json, whose contents return.

    `more` are further facts for pretrain.json. The method has the weights of the selected step afterwards.
    """
    method.load_state_dict(read_state(out / BEST)["state"])
    tensors = {name: value.cpu().float().numpy() for name, value in method.encoder.state_dict().items()}
    write_weights(out / WEIGHTS, tensors, facts)
    _write_monitors(out / MONITORS, state.rows)
    selection = f"{RULES[method.selects_by]}: step {state.best_step} of {state.done}"
    draw_monitors(out / CURVES, state.rows, state.best_step, f"{facts.method['name']}, {selection}")
    best = next(row for row in state.rows if row["step"] == state.best_step)
    result = {
        "method": facts.method,
        "model": facts.model,
        "steps": state.done,
        "best_step": state.best_step,
        "selection": selection,
        "monitors": best,
        "monitors_at_start": state.rows[0],
        "collapsed_at": state.collapsed_at,
        "collapse": state.collapse,
        "tensors": len(tensors),
        **more,
    }
    write_json(out / RESULT, result)
    return result


def _write_monitors(path: Path, rows: list[dict[str, float | None]]) -> None:
    columns = list({name: None for row in rows for name in row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def check(path: Path) -> None:
    """Read every file below `path`. Raises: ArtifactError: one is missing or damaged."""
    folders = [folder for folder in (path, *sorted(path.glob("fold_*"))) if (folder / RESULT).is_file()]
    if not folders:
        raise ArtifactError("there is no result of a pretraining", where=path, expected=RESULT)
    for folder in folders:
        SplitManifest.read(folder)
        read_weights(folder / WEIGHTS)
        for name in (BEST, LAST):
            read_state(folder / name)
        json.loads((folder / RESULT).read_text())
        if missing := [name for name in (MONITORS, CURVES) if not (folder / name).is_file()]:
            raise ArtifactError("a file of the pretraining is missing", where=folder, got=missing[0])
