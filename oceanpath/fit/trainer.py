"""Training of a model by optimiser steps: every number depends on the seed, the settings and the step alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import tee
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.windows import Window
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.placement import loader_of
from oceanpath.fit.attention_entropy import attention_entropy
from oceanpath.fit.batch_size import batch_size_for
from oceanpath.fit.deterministic import deterministic
from oceanpath.fit.non_finite import NonFiniteGuard
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.optim import averaged, build_optimizer, set_rates
from oceanpath.fit.perturbation import Perturbation
from oceanpath.fit.saved_state import SavedTraining
from oceanpath.fit.schedules import build_schedule
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.settings import FitSettings
from oceanpath.fit.step_plan import PlannedStep, StepPlan
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.float32 import fast_float32


class Verdict(NamedTuple):
    """The result of the validation after an epoch."""

    stop: bool
    """Whether training should stop."""
    improved: bool
    """Whether the epoch is the best one so far."""


EpochEnd = Callable[[int, float, WSIClassifier], Verdict]
"""Validation after an epoch: gets its number, its mean training loss, and the model to be evaluated."""


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on, and where."""

    dataset: BagDataset
    """Training slides with labels."""
    device: torch.device
    strata: list[int] | None = None
    """Stratum of each slide, if strata are drawn equally often; None: every slide once per epoch."""
    window: Window | None = None
    """The slides that one loss needs; None: those of a batch."""


class Training:
    """One training of one model, in place."""

    frozen_epochs = 0
    """Number of first epochs in which the aggregator is not trained."""

    def __init__(
        self, model: WSIClassifier, objective: Objective, settings: FitSettings, data: TrainingData, seed: int
    ) -> None:
        self.model, self.objective, self.settings, self.seed = model.to(data.device), objective, settings, seed
        self.dataset, self.device, self.window = data.dataset, data.device, data.window
        lengths = [data.dataset.length(position) for position in range(len(data.dataset))]
        order = derive(seed, "order")
        size = settings.batch_size or batch_size_for(len(lengths), data.window is not None)
        sampler = BatchSampler(lengths, settings.batching, size, order, data.strata, window=data.window)
        self.plan = StepPlan(sampler, settings.accumulate, settings.epochs, None)
        self.optimizer = build_optimizer(model, settings.lr, settings.weight_decay, settings.part_rates(), fused=True)
        self.schedule = build_schedule(settings, self.plan.total)
        self.guard = NonFiniteGuard(settings.skip_limit)
        self.average = averaged(model, settings.ema)
        self.perturb = Perturbation.of(settings, data.dataset, data.device, seed)
        self.done = 0
        """Number of steps."""
        self._parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self._losses: list[float] = []

    def run(self, epoch_end: EpochEnd, saved: SavedTraining | None = None) -> None:
        """Train until `epoch_end` stops it, or for all epochs; from the saved state, if there is one.

        Raises: StageError: too many consecutive steps without a finite loss and gradient.
        """
        if saved is not None:
            saved.restore()
        steps, ahead = tee(self.plan.steps(self.done))
        batches = iter(loader_of(self.dataset, (draws for step in ahead for draws in step.batches)))
        with deterministic(self.device):
            for step in steps:
                self._train(step, batches)
                self.done = step.number + 1
                if step.ends_epoch and self._end_epoch(step.epoch, epoch_end):
                    return
                if saved is not None:
                    saved.save_if_due()

    def contents(self) -> dict[str, Any]:
        """The state after a step."""
        return {
            "done": self.done,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.contents(),
            "average": None if self.average is None else self.average.state_dict(),
            "skipped": [self.guard.skipped, self.guard.consecutive],
            "losses": self._losses,
        }

    def restore(self, contents: dict[str, Any]) -> None:
        """Continue after the step of a state."""
        self.done, self._losses = contents["done"], contents["losses"]
        self.model.load_state_dict(contents["model"])
        self.optimizer.load_state_dict(contents["optimizer"])
        self.schedule.restore(contents["schedule"])
        self.guard.skipped, self.guard.consecutive = contents["skipped"]
        if self.average is not None:
            self.average.load_state_dict(contents["average"])

    def _end_epoch(self, epoch: int, epoch_end: EpochEnd) -> bool:
        losses, self._losses = self._losses, []
        model = self.model if self.average is None else cast(WSIClassifier, self.average.module)
        verdict = epoch_end(epoch, sum(losses) / len(losses) if losses else math.nan, model)
        self.schedule.end_epoch(verdict.improved)
        return verdict.stop

    def _train(self, step: PlannedStep, batches: Iterator[Batch]) -> None:
        """One optimiser step; skipped if its loss or gradient is not finite."""
        self._freeze(step.epoch < self.frozen_epochs)
        self.model.train()
        self.optimizer.zero_grad()
        set_rates(self.optimizer, self.schedule.factor(step.number))
        loss, slides = self._backward(step, batches)
        norm = clip_grad_norm_(self._parameters, self.settings.clip)
        if self.guard.accepts(loss, float(norm), slides):
            self._losses.append(loss)
            self.optimizer.step()
            if self.average is not None:
                self.average.update_parameters(self.model)

    def _freeze(self, frozen: bool) -> None:
        aggregator = self.model.aggregator
        if self.frozen_epochs and frozen != aggregator.frozen:
            _ = aggregator.freeze() if frozen else aggregator.unfreeze()

    def _backward(self, step: PlannedStep, batches: Iterator[Batch]) -> tuple[float, tuple[str, ...]]:
        """Compute the gradients of a step; returns its loss and its slides."""
        count, total = len(step.batches), sum(map(len, step.batches))
        windows = [range(k, k + 1) for k in range(count)] if self.window is None else [range(count)]
        value, slides = 0.0, list[str]()
        for window in windows:
            inputs = [self._input(next(batches)) for _ in window]
            with fast_float32(self.device, max(len(batch.features) for batch in inputs)):
                loss = self._losses_of(inputs, derive(self.seed, "step", step.number, window.start)).sum() / total
                loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
            value += float(loss.detach())
            slides += [name for batch in inputs for name in batch.slide_ids]
        return value, tuple(slides)

    def _input(self, batch: Batch) -> Batch:
        """The batch on the device; a copy if it is used together with later ones, whose rows reuse its memory."""
        if self.device.type != "cpu":
            return batch.to(self.device)
        return batch if self.window is None else replace(batch, features=batch.features.clone())

    def _losses_of(self, batches: list[Batch], seed: int) -> Tensor:
        """The losses [B] of the slides of all batches."""
        seed_torch(seed, "dropout")
        with self._precision():
            bags, entropy_weight = [self.perturb(batch) for batch in batches], self.settings.attention_entropy
            outputs = [self.model.output_packed(bag, return_attention=entropy_weight > 0) for bag in bags]
            targets = torch.cat([batch.labels for batch in batches if batch.labels is not None])
            losses = self.objective.loss(torch.cat([output.logits for output in outputs]), targets)
            losses = self.model.blend(losses, outputs, lambda logits: self.objective.loss(logits, targets))
            if not entropy_weight:
                return losses
            return losses - entropy_weight * torch.cat(list(map(attention_entropy, bags, outputs)))

    def _precision(self) -> AbstractContextManager[Any]:
        """The arithmetic of the forward pass and the loss."""
        precision = self.settings.precision
        if precision == "auto" and self.device.type == "cuda" and torch.cuda.is_bf16_supported():
            precision = "bf16"
        return torch.autocast(self.device.type, torch.bfloat16) if precision == "bf16" else nullcontext()
