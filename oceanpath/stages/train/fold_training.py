"""The trainings of a fold: one that its val rows select, and one on train and val rows for as many epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.errors import StageError
from oceanpath.fit.batch_size import batch_size_for
from oceanpath.fit.checkpoint import Checkpoint
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.input_norm import fit_input_norm
from oceanpath.fit.memory import check_memory
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.objectives.registry import objective_class
from oceanpath.fit.predict import Outputs, predict
from oceanpath.fit.saved_state import SavedTraining
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.trainer import Training, TrainingData, Verdict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.stages.train.early_stopping import EarlyStopping
from oceanpath.stages.train.pretrained import load_weights
from oceanpath.stages.train.rows import Rows
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.tasks.base import Task


class Selected(NamedTuple):
    """A training whose epoch the val rows selected."""

    trained: Checkpoint
    """The model with the weights of this epoch."""
    stopping: EarlyStopping
    skipped: int
    """Number of skipped steps."""


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
    run: int = 0
    """Number of the training among several that start from the same weights."""

    @property
    def selection_rows(self) -> Rows:
        """The rows whose scores select the epoch."""
        return self.rows["test" if self.settings.selection == "reported" else "val"]

    def train(
        self,
        task: Task,
        epoch_done: Callable[[int], None],
        saved: Path,
        ends: Callable[[EarlyStopping], bool] | None = None,
    ) -> Selected:
        """Train on the train rows; `ends` may stop the training after an epoch.

        Raises: StageError: training diverges, or no epoch could be selected. ExperimentError: too little memory.
        """
        settings, training = self.settings, self._training(task, self.rows["train"])
        check_memory(training, settings.memory_gb)
        best, objective = BestWeights(settings.patience), training.objective
        rows = self.selection_rows
        stopping = EarlyStopping(objective, self.store, rows, settings.monitor, self.device, best, epoch_done, ends)
        training.run(stopping, SavedTraining(saved, settings.checkpoint_seconds, training=training, selection=stopping))
        if not best.state:
            raise StageError("no epoch had a finite validation score", got=stopping.history, do="Lower train.lr.")
        training.model.load_state_dict(best.state)
        return Selected(Checkpoint(training.model, objective), stopping, training.guard.skipped)

    def refit(self, task: Task, selected: Selected, saved: Path) -> Checkpoint:
        """Train on train and val rows, with the same seed and schedule, up to the selected epoch.

        Raises: as `train_all`.
        """
        improved = selected.stopping.improved[: selected.stopping.best.epoch + 1]
        return self.train_all(task, self._train_and_val(), improved, saved)

    def train_all(
        self,
        task: Task,
        rows: Rows,
        improved: Sequence[bool],
        saved: Path,
        epoch_done: Callable[[int], None] = lambda _: None,
    ) -> Checkpoint:
        """Train on these rows without validation, for as many epochs as another training that `improved` in some.

        Raises: StageError: training diverges. ExperimentError: too little memory.
        """
        training = self._training(task, rows)
        check_memory(training, self.settings.memory_gb)
        finished = training.model

        def epoch_end(epoch: int, _: float, model: WSIClassifier) -> Verdict:
            nonlocal finished
            finished = model
            epoch_done(1)
            return Verdict(epoch == len(improved) - 1, improved[epoch])

        training.run(epoch_end, SavedTraining(saved, self.settings.checkpoint_seconds, training=training))
        return Checkpoint(finished, training.objective)

    def outputs(self, trained: Checkpoint) -> dict[str, Outputs]:
        """The outputs of all rows: small bags are computed together, except those whose predictions are reported."""
        return {
            role: predict(trained.model, self.store, part.numbers, self.device, together=role != "test")
            for role, part in self.rows.items()
        }

    def objective(self, task: Task, train: Rows | None = None) -> Objective:
        """The objective of a training on these rows; by default the train rows."""
        targets = (train or self.rows["train"]).targets
        return objective_class(task).for_training(task, self.settings, targets)

    def batch_size(self, objective: Objective) -> int:
        """Bags per step, also when the fold is trained again with its val rows."""
        train = self.rows["train"]
        compares_slides = objective.window(self.settings, train.targets) is not None
        return self.settings.batch_size or batch_size_for(len(train.numbers), compares_slides)

    def _train_and_val(self) -> Rows:
        parts = [self.rows["train"], self.rows["val"]]
        table = pd.concat([part.table for part in parts], ignore_index=True)
        targets = np.concatenate([part.targets for part in parts])
        return Rows(table, [number for part in parts for number in part.numbers], targets)

    def _training(self, task: Task, train: Rows) -> Training:
        """A training before its first step on these rows."""
        seed = derive(self.seed, "run", self.run) if self.run else self.seed
        objective = self.objective(task, train)
        settings = self.settings.model_copy(update={"batch_size": self.batch_size(objective)})
        dataset = BagDataset(
            self.store, train.numbers, train.targets.tolist(), settings.max_patches, derive(seed, "rows")
        )
        strata, window = objective.sampling_strata(settings, train.targets), objective.window(settings, train.targets)
        data = TrainingData(dataset, self.device, strata, window)
        training = Training(self._model(objective, train), objective, settings, data, seed)
        training.frozen_epochs = 0 if settings.freeze_aggregator is True else int(settings.freeze_aggregator)
        return training

    def _model(self, objective: Objective, train: Rows) -> WSIClassifier:
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
