"""One fold: train on its train rows, select on its val rows, predict all rows once with the selected weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import place
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.objectives.registry import objective_class
from oceanpath.fit.predict import Outputs, predict
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.threads import torch_threads
from oceanpath.fit.trainer import FitModule, fit_model
from oceanpath.models.classifier import WSIClassifier
from oceanpath.pipeline.stage import Inputs, Progress
from oceanpath.stages.train.pretrained import describe_weights, find_weights, load_weights, seen_patients
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats, Targets
from oceanpath.tasks.registry import read_task


@dataclass(frozen=True)
class Rows:
    """Slides of one role: their table, their indices in the store and their targets."""

    table: pd.DataFrame
    numbers: list[int]
    targets: Targets


@dataclass
class EarlyStopping:
    """Scores the val rows after every epoch, keeps the best weights and decides when to stop."""

    module: FitModule
    store: Store
    val: Rows
    monitor: str
    best: BestWeights
    epoch_done: Callable[[], None]
    """Called after every epoch."""
    history: list[dict[str, float | int | None]] = field(default_factory=list)

    def __call__(self, epoch: int, train_loss: float) -> bool:
        """Score an epoch; True if training should stop."""
        objective = self.module.objective
        predicted = predict(self.module.model, self.store, self.val.numbers, self.module.device)
        scores = objective.validation_scores(predicted.outputs, self.val.targets)
        finite_loss = train_loss if np.isfinite(train_loss) else None
        self.history.append({"epoch": epoch, "train_loss": finite_loss, **scores})
        self.epoch_done()
        return self.best.update(epoch, objective.task.selection_key(self.monitor, scores), self.module.model)


def fit_fold(settings: TrainSettings, inputs: Inputs, number: int, out: Path, progress: Progress) -> dict[str, Any]:
    """Train fold `number` and write its files into `out`; returns the contents of fold.json.

    Raises: StageError: a role or a class has no rows, or training diverges. ArtifactError: a slide is not in the store.
    """
    device = pick_device(settings.device)
    store = place(Store(inputs["mmap"], check=inputs.verify), settings.placement, device)
    task = read_task(folds.read_splits(inputs["split"]), inputs["split"])
    rows = read_rows(folds.read_fold(inputs["split"], number), store, task, where=f"fold {number}")
    with torch_threads(settings.threads):
        progress.start(settings.epochs, "epochs")
        start = _pretrained(settings, inputs, number, progress)
        seed = derive(settings.seed, "fold", number)
        stopping = _fit(settings, store, rows, task, Start(seed, device, progress.advance, start))
        outputs = {role: predict(stopping.module.model, store, part.numbers, device) for role, part in rows.items()}
        stopping.module.objective = stopping.module.objective.completed(outputs["train"].outputs, rows["train"].targets)
    facts = _write(out, number, stopping, rows, outputs)
    if start is not None:
        test = folds.read_fold(inputs["split"], number)
        facts["seen_in_pretraining"] = len(seen_patients(settings, start, test, f"fold {number}"))
        write_json(out / "fold.json", facts)
    return facts


class Start(NamedTuple):
    """Where a fit starts and computes."""

    seed: int
    device: torch.device
    epoch_done: Callable[[], None]
    weights: Path | None
    """Pretrained weights of the aggregator."""


def _pretrained(settings: TrainSettings, inputs: Inputs, number: int, progress: Progress) -> Path | None:
    path = find_weights(settings, inputs, number)
    if path is not None:
        progress.note(f"fold {number}: the aggregator starts from {describe_weights(path)}")
    return path


def _fit(settings: TrainSettings, store: Store, rows: Mapping[str, Rows], task: Task, start: Start) -> EarlyStopping:
    """A finished fit, whose module has the weights that the val rows selected."""
    train, val, seed = rows["train"], rows["val"], start.seed
    objective = objective_class(task).for_training(task, settings, train.targets)
    seed_torch(seed, "weights")
    model = WSIClassifier(settings.model, store.dim, objective.outputs)
    if start.weights is not None:
        load_weights(model.aggregator, start.weights)
    if settings.freeze_aggregator is True:
        model.aggregator.freeze()
    frozen_epochs = 0 if model.aggregator.frozen else int(settings.freeze_aggregator)
    module = FitModule(model, objective, settings, seed, frozen_epochs)
    stopping = EarlyStopping(module, store, val, settings.monitor, BestWeights(settings.patience), start.epoch_done)
    dataset = BagDataset(store, train.numbers, train.targets.tolist(), settings.max_patches, derive(seed, "rows"))
    strata, window = objective.sampling_strata(settings, train.targets), objective.window(settings, train.targets)
    fit_model(module, dataset, strata, start.device, stopping, window)
    if not stopping.best.state:
        raise StageError("no epoch had a finite validation score", got=stopping.history, do="Lower train.lr.")
    model.load_state_dict(stopping.best.state)
    return stopping


def read_rows(frame: pd.DataFrame, store: Store, task: Task, where: str) -> dict[str, Rows]:
    """The rows of a fold by role.

    Raises: StageError: a role has no rows, or no model can be trained on the training rows. ArtifactError: a label is
        not valid, or a slide is not in the store.
    """
    task.validate_labels(frame["label"].tolist(), where)
    by_role = {}
    for role in folds.ROLES:
        table = frame[frame["role"] == role].reset_index(drop=True)
        if table.empty:
            raise StageError(f"no {role} rows", where=where, do="Use fewer folds or more patients.")
        numbers = [store.number(name) for name in table["slide_id"]]
        by_role[role] = Rows(table, numbers, task.targets(table["label"].tolist()))
    task.validate_training(by_role["train"].targets, where)
    return by_role


def _write(
    out: Path, number: int, stopping: EarlyStopping, rows: Mapping[str, Rows], outputs: Mapping[str, Outputs]
) -> dict[str, Any]:
    objective = stopping.module.objective
    save_checkpoint(stopping.module.model, objective, out / "best.ckpt")
    values = {role: objective.values(predicted.outputs) for role, predicted in outputs.items()}
    for role in ("val", "test"):
        table = prediction_table(rows[role].table, values[role], objective.task, number)
        predictions.write_predictions(table, out / f"preds_{role}.parquet", objective.task)
    ids = pd.concat([part.table for part in rows.values()], ignore_index=True).sort_values("slide_id")
    embeddings = np.concatenate([outputs[role].embeddings for role in rows])[ids.index.to_numpy()]
    predictions.write_embeddings(embeddings, ids.reset_index(drop=True), out)
    facts = _facts(number, stopping, rows) | objective.task.decision_facts(values["val"], rows["val"].targets)
    write_json(out / "history.json", stopping.history)
    write_json(out / "fold.json", facts)
    return facts


def prediction_table(table: pd.DataFrame, values: Floats, task: Task, number: int) -> pd.DataFrame:
    """Rows for `artifacts.predictions` from fold rows and their predicted values, in the same order."""
    return table.assign(**dict(zip(task.columns, values.T, strict=True)), fold=number)


def _facts(number: int, stopping: EarlyStopping, rows: Mapping[str, Rows]) -> dict[str, Any]:
    scores = {name: score for name, score in stopping.history[stopping.best.epoch].items() if name != "epoch"}
    return {
        "fold": number,
        "best_epoch": stopping.best.epoch,
        "epochs": len(stopping.history),
        "monitor": stopping.monitor,
        **scores,
        "skipped_steps": stopping.module.guard.skipped,
        "slides": {role: len(part.numbers) for role, part in rows.items()},
    }
