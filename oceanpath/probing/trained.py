"""Models that are trained on the labelled patients of a probe, from random or from pretrained weights.

Settings are those of `[train]`: a fifth of the labelled patients of each class selects the epoch. Where a class has a
single labelled patient, the last epoch is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from oceanpath.artifacts.pretrained import read_facts
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.dataset import BagDataset
from oceanpath.fit.early_stopping import BestWeights
from oceanpath.fit.input_norm import fit_input_norm
from oceanpath.fit.objectives.classification import ClassificationObjective, softmax
from oceanpath.fit.objectives.settings import ObjectiveSettings
from oceanpath.fit.predict import predict
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.trainer import Training, TrainingData, Verdict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.models.settings import ABMILSettings, ModelSettings
from oceanpath.probing.embeddings import load_aggregator
from oceanpath.probing.probe import Prediction
from oceanpath.probing.protocol import Budget, ProbeCohort, Protocol, Rows, Trial, fewest_patients, inner_folds, trials
from oceanpath.tasks.classification import Classification

CPU = torch.device("cpu")
INNER = 5
"""One of so many parts of the labelled patients selects the epoch."""


class TrainedProbe(ObjectiveSettings, FitSettings):
    """Training of a probe."""

    batch_size: int | None = 4
    """Bags per step."""
    patience: int = 8
    """Number of epochs without a better validation loss after which training stops."""
    model: ModelSettings = ABMILSettings()
    """Architecture of a model without pretrained weights."""
    frozen_epochs: int = 0
    """Number of first epochs in which a pretrained aggregator is not trained."""


@dataclass(frozen=True)
class Labelled:
    """The labelled slides of a store."""

    store: Store
    numbers: Sequence[int]
    """Of the slides of `cohort` in the store."""
    cohort: ProbeCohort

    def take(self, rows: Rows) -> list[int]:
        """Numbers in the store of some rows of the cohort."""
        return [self.numbers[row] for row in rows]


def predict_trained(
    slides: Labelled,
    protocol: Protocol,
    budget: Budget,
    settings: TrainedProbe,
    weights: Sequence[Path] = (),
) -> list[Prediction]:
    """The predictions of all folds and draws.

    `weights` is one file of pretrained weights, or one per fold; without them training starts from random ones.
    """
    predictions = []
    for trial in trials(slides.cohort, protocol, budget):
        seed = derive(protocol.seed, "trained", trial.fold, trial.draw)
        model = _train(slides, trial, settings, seed, weights[trial.fold % len(weights)] if weights else None)
        logits = predict(model, slides.store, slides.take(trial.test), CPU).outputs
        predictions.append(Prediction(trial.fold, trial.draw, trial.test, softmax(logits)))
    return predictions


def _train(slides: Labelled, trial: Trial, settings: TrainedProbe, seed: int, weights: Path | None) -> WSIClassifier:
    """A model with the weights of the selected epoch."""
    cohort, parts = slides.cohort, min(INNER, fewest_patients(slides.cohort, trial.labelled))
    inner = inner_folds(cohort, trial.labelled, parts)
    train, val = (trial.labelled, None) if parts == 1 else (trial.labelled[inner != 0], trial.labelled[inner == 0])
    task = Classification([str(number) for number in np.unique(cohort.labels)])
    objective = ClassificationObjective.for_training(task, settings, cohort.labels[train])
    model = _start(slides, train, settings, seed, objective.outputs, weights)
    best = BestWeights(settings.patience)

    def epoch_end(epoch: int, _: float, model: WSIClassifier) -> Verdict:
        if val is None:
            return Verdict(stop=False, improved=True)
        outputs = predict(model, slides.store, slides.take(val), CPU, together=True).outputs
        scores = task.validation_scores(objective.values(outputs), cohort.labels[val])
        stop = best.update(epoch, task.selection_key(settings.monitor, scores), model)
        return Verdict(stop, best.epoch == epoch)

    dataset = BagDataset(slides.store, slides.take(train), cohort.labels[train].tolist(), seed=derive(seed, "rows"))
    data = TrainingData(dataset, CPU, objective.sampling_strata(settings, cohort.labels[train]))
    training = Training(model, objective, settings, data, seed)
    training.frozen_epochs = settings.frozen_epochs if weights else 0
    training.run(epoch_end)
    if best.state:
        model.load_state_dict(best.state)
    return model


def _start(
    slides: Labelled, train: Rows, settings: TrainedProbe, seed: int, outputs: Sequence[str], weights: Path | None
) -> WSIClassifier:
    seed_torch(seed, "weights")
    if weights is None:
        model = WSIClassifier(settings.model, slides.store.dim, outputs)
        fit_input_norm(model, slides.store, slides.take(train), seed)
        return model
    facts = read_facts(weights)
    model = WSIClassifier(parse_model(facts.model), facts.in_dim, outputs)
    model.aggregator.load_state_dict(load_aggregator(weights).state_dict())
    return model
