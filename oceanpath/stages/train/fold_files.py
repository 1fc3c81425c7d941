"""The files of a trained fold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.json_files import write_json
from oceanpath.fit.checkpoint import Checkpoint, save_checkpoint
from oceanpath.fit.predict import Outputs
from oceanpath.stages.train.fold_training import Selected
from oceanpath.stages.train.rows import Rows
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats


def write_fold(
    out: Path, facts: dict[str, Any], trained: Checkpoint, rows: Mapping[str, Rows], outputs: Mapping[str, Outputs]
) -> dict[str, Any]:
    """Write all files but the history; returns the contents of fold.json: `facts`, and those of the decisions."""
    model, objective = trained
    save_checkpoint(model, objective, out / "best.ckpt")
    values = {role: objective.values(predicted.outputs) for role, predicted in outputs.items()}
    for role in ("val", "test"):
        table = prediction_table(rows[role].table, values[role], objective.task, facts["fold"])
        predictions.write_predictions(table, out / f"preds_{role}.parquet", objective.task)
    ids = pd.concat([part.table for part in rows.values()], ignore_index=True).sort_values("slide_id")
    embeddings = np.concatenate([outputs[role].embeddings for role in rows])[ids.index.to_numpy()]
    predictions.write_embeddings(embeddings, ids.reset_index(drop=True), out)
    facts = facts | objective.task.decision_facts(values["val"], rows["val"].targets)
    write_json(out / "fold.json", facts)
    return facts


def prediction_table(table: pd.DataFrame, values: Floats, task: Task, number: int) -> pd.DataFrame:
    """Rows for `artifacts.predictions` from fold rows and their predicted values, in the same order."""
    return table.assign(**dict(zip(task.columns, values.T, strict=True)), fold=number)


def describe(selected: Selected, rows: Mapping[str, Rows], number: int) -> dict[str, Any]:
    """Facts for fold.json: the selected epoch, its scores, and the numbers of slides."""
    stopping = selected.stopping
    scores = {name: score for name, score in stopping.history[stopping.best.epoch].items() if name != "epoch"}
    return {
        "fold": number,
        "best_epoch": stopping.best.epoch,
        "epochs": len(stopping.history),
        "monitor": stopping.monitor,
        **scores,
        "skipped_steps": selected.skipped,
        "slides": {role: len(part.numbers) for role, part in rows.items()},
    }
