"""Validation of a fold: scores every epoch, keeps the best weights, and decides when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.predict import predict
from oceanpath.fit.trainer import Verdict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.stages.train.rows import Rows


@dataclass
class EarlyStopping:
    """The best weights by the scores of the validation rows."""

    objective: Objective
    store: Store
    val: Rows
    monitor: str
    device: torch.device
    best: BestWeights
    epoch_done: Callable[[int], None]
    """Called with the number of epochs that are done, after every epoch."""
    ends: Callable[[EarlyStopping], bool] | None = None
    """Whether training should stop for another reason, asked after every epoch."""
    history: list[dict[str, float | int | None]] = field(default_factory=list)
    improved: list[bool] = field(default_factory=list)
    """Whether each epoch was the best one so far."""

    def __call__(self, epoch: int, train_loss: float, model: WSIClassifier) -> Verdict:
        """Score an epoch."""
        predicted = predict(model, self.store, self.val.numbers, self.device, together=True)
        task, scores = self.objective.task, self.objective.validation_scores(predicted.outputs, self.val.targets)
        finite_loss = train_loss if np.isfinite(train_loss) else None
        self.history.append({"epoch": epoch, "train_loss": finite_loss, **scores})
        self.epoch_done(1)
        stop = self.best.update(epoch, task.selection_key(self.monitor, scores), model)
        self.improved.append(self.best.epoch == epoch)
        stop = stop or (self.ends is not None and self.ends(self))
        return Verdict(stop, self.improved[-1])

    def contents(self) -> dict[str, Any]:
        """The state after an epoch."""
        best = {"epoch": self.best.epoch, "scores": list(self.best.scores), "state": self.best.state}
        return {"history": self.history, "improved": self.improved, **best}

    def restore(self, contents: dict[str, Any]) -> None:
        """Continue from a state."""
        self.history, self.improved, self.best.epoch = contents["history"], contents["improved"], contents["epoch"]
        self.best.scores, self.best.state = tuple(contents["scores"]), contents["state"]
        self.epoch_done(len(self.history))
