"""Test predictions of sealed folds: computed from their checkpoints when the test is revealed, and never before."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.store.patients import open_bags
from oceanpath.bags.placement import place
from oceanpath.fit.checkpoint import load_checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.predict import predict
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.train.fold_files import prediction_table
from oceanpath.stages.train.rows import read_rows
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.tasks.base import Task


def reveal_fold(settings: TrainSettings, inputs: Inputs, task: Task, out: Path, number: int) -> None:
    """Predict the test rows of a sealed fold, whose files are linked in `out`.

    Raises: ArtifactError: the checkpoint is damaged, or a slide is not in the store.
    """
    device = pick_device(settings.device)
    store = place(open_bags(inputs["mmap"], inputs["split"], check=inputs.verify), settings.placement, device)
    rows = read_rows(folds.read_fold(inputs["split"], number), store, task, where=f"fold {number}")["test"]
    model, objective = load_checkpoint(out / "best.ckpt", str(device))
    with torch_threads(settings.threads):
        outputs = predict(model, store, rows.numbers, device)
    embeddings, ids = predictions.read_embeddings(out)
    facts = json.loads((out / "fold.json").read_text(encoding="utf-8"))
    facts["slides"]["test"] = len(rows.numbers)
    for name in ("preds_test.parquet", "embeddings.npy", "embedding_ids.parquet", "fold.json"):
        (out / name).unlink()  # links to the sealed fold, which stays as it is
    table = prediction_table(rows.table, objective.values(outputs.outputs), task, number)
    predictions.write_predictions(table, out / "preds_test.parquet", task)
    every = pd.concat([ids, rows.table[list(ids.columns)]], ignore_index=True).sort_values("slide_id")
    values = np.concatenate([np.asarray(embeddings), outputs.embeddings])[every.index.to_numpy()]
    predictions.write_embeddings(values, every.reset_index(drop=True), out)
    write_json(out / "fold.json", facts)
