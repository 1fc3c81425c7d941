"""One fold: train on its train rows, select on its val rows, predict all rows once with the selected weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from oceanpath.artifacts import folds
from oceanpath.artifacts.json_files import write_json
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import place
from oceanpath.errors import StageError
from oceanpath.fit.checkpoint import Checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.input_norm import fit_input_norm
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.registry import objective_class
from oceanpath.fit.predict import predict
from oceanpath.fit.saved_state import SavedTraining
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.threads import torch_threads
from oceanpath.fit.trainer import Training, TrainingData
from oceanpath.models.classifier import WSIClassifier
from oceanpath.pipeline.stage import JOURNAL, Inputs, Progress
from oceanpath.stages.train.early_stopping import EarlyStopping
from oceanpath.stages.train.fold_files import describe, write_fold
from oceanpath.stages.train.pretrained import describe_weights, find_weights, load_weights, seen_patients
from oceanpath.stages.train.rows import Rows, read_rows
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task


def fit_fold(settings: TrainSettings, inputs: Inputs, number: int, out: Path, progress: Progress) -> dict[str, Any]:
    """Train fold `number` and write its files into `out`; returns the contents of fold.json.

    `out` may have the saved state of an interrupted training of the same settings, which is then resumed.

    Raises: StageError: a role or a class has no rows, or training diverges. ArtifactError: a slide is not in the store.
    """
    device = pick_device(settings.device)
    store = place(Store(inputs["mmap"], check=inputs.verify), settings.placement, device)
    task = read_task(folds.read_splits(inputs["split"]), inputs["split"])
    frame = folds.read_fold(inputs["split"], number)
    rows = read_rows(frame, store, task, where=f"fold {number}")
    weights = _pretrained(settings, inputs, number, progress)
    fold = Fold(settings, store, rows, device, derive(settings.training_seed, "fold", number), weights)
    with torch_threads(settings.threads):
        progress.start(settings.epochs, "epochs")
        trained, stopping, skipped = fold.train(task, progress.advance, _state_file(out))
        # Small bags are computed together, as in validation, except those whose predictions are reported.
        outputs = {
            role: predict(trained.model, store, part.numbers, device, together=role != "test")
            for role, part in rows.items()
        }
        completed = trained.objective.completed(outputs["train"].outputs, rows["train"].targets)
        trained = trained._replace(objective=completed)
    facts = write_fold(out, describe(stopping, rows, number, skipped), trained, rows, outputs)
    write_json(out / "history.json", stopping.history)
    if weights is not None:
        facts["seen_in_pretraining"] = len(seen_patients(settings, weights, frame, f"fold {number}"))
        write_json(out / "fold.json", facts)
    shutil.rmtree((out / JOURNAL).parent)
    return facts


@dataclass(frozen=True)
class Fold:
    """What a fold is trained with."""

    settings: TrainSettings
    store: Store
    rows: Mapping[str, Rows]
    device: torch.device
    seed: int
    weights: Path | None
    """Pretrained weights of the aggregator."""

    def train(
        self, task: Task, epoch_done: Callable[[int], None], saved: Path
    ) -> tuple[Checkpoint, EarlyStopping, int]:
        """The model with the weights that the val rows selected, their selection, and the number of skipped steps."""
        settings, train = self.settings, self.rows["train"]
        objective = objective_class(task).for_training(task, settings, train.targets)
        model = self.new_model(objective, train)
        dataset = BagDataset(
            self.store, train.numbers, train.targets.tolist(), settings.max_patches, derive(self.seed, "rows")
        )
        strata, window = objective.sampling_strata(settings, train.targets), objective.window(settings, train.targets)
        data = TrainingData(dataset, self.device, strata, window)
        training = Training(model, objective, settings, data, self.seed)
        training.frozen_epochs = 0 if settings.freeze_aggregator is True else int(settings.freeze_aggregator)
        best = BestWeights(settings.patience)
        val = self.rows["val"]
        stopping = EarlyStopping(objective, self.store, val, settings.monitor, self.device, best, epoch_done)
        state = SavedTraining(saved, settings.checkpoint_seconds, training=training, selection=stopping)
        training.run(stopping, state)
        if not best.state:
            raise StageError("no epoch had a finite validation score", got=stopping.history, do="Lower train.lr.")
        model.load_state_dict(best.state)
        return Checkpoint(model, objective), stopping, training.guard.skipped

    def new_model(self, objective: Objective, train: Rows) -> WSIClassifier:
        """A model before its first step on these rows."""
        seed_torch(self.seed, "weights")
        model = WSIClassifier(self.settings.model, self.store.dim, objective.outputs)
        if self.weights is not None:
            load_weights(model.aggregator, self.weights)
        else:
            fit_input_norm(model, self.store, train.numbers, self.seed)
        biases = objective.initial_bias(self.settings, train.targets) if self.settings.prior_bias else None
        if biases is not None:
            model.head.bias.data.copy_(torch.from_numpy(biases))
        if self.settings.freeze_aggregator is True:
            model.aggregator.freeze()
        return model


def _state_file(out: Path) -> Path:
    """The saved state of the training, next to a journal: an interrupted training is resumed in its own folder."""
    journal = out / JOURNAL
    if not journal.exists():
        journal.parent.mkdir(exist_ok=True)
        journal.write_text("training.ckpt\n", encoding="utf-8")
    return journal.with_name("training.ckpt")


def _pretrained(settings: TrainSettings, inputs: Inputs, number: int, progress: Progress) -> Path | None:
    path = find_weights(settings, inputs, number)
    if path is not None:
        progress.note(f"fold {number}: the aggregator starts from {describe_weights(path)}")
    return path
