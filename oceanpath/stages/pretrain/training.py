"""The training loop: optimiser steps, evaluations, the best step, and checkpoints from which it is resumed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.errors import StageError
from oceanpath.fit.non_finite import NonFiniteGuard
from oceanpath.fit.optim import build_optimizer, build_schedule
from oceanpath.fit.saved_state import load_state, save_state
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.step_plan import PlannedStep, StepPlan
from oceanpath.models.float32 import fast_float32
from oceanpath.pipeline.stage import Progress
from oceanpath.ssl.distributed import WHOLE, Share, average_gradients
from oceanpath.ssl.methods.base import Method, StepContext
from oceanpath.ssl.monitors.collapse import CHECK_EVERY, CollapseCheck
from oceanpath.stages.pretrain.checkpoints import BEST, LAST, TrainingState
from oceanpath.stages.pretrain.evaluation import Evaluation, Evaluator, Floats, Slides
from oceanpath.stages.pretrain.settings import PretrainSettings


@dataclass(frozen=True)
class TrainingData:
    """The slides of one training, its steps, and how it is evaluated."""

    slides: Slides
    evaluator: Evaluator
    plan: StepPlan


class Training:
    """One training of one method. Everything random depends on the seed and the number of the step."""

    def __init__(
        self, settings: PretrainSettings, method: Method, data: TrainingData, seed: int, share: Share = WHOLE
    ) -> None:
        """With a `share`, other processes compute the rest of each batch; the first one evaluates and writes files."""
        self.settings, self.method, self.data, self.seed, self.share = settings, method, data, seed, share
        self.device = data.evaluator.device
        self.optimizer = build_optimizer(method, settings.lr, settings.weight_decay)
        self.schedule = build_schedule(self.optimizer, round(settings.warmup * data.plan.total), data.plan.total)
        self.guard = NonFiniteGuard(settings.skip_limit)
        self.state = TrainingState()
        self.collapse: CollapseCheck
        """Of this training from its first step; set when it begins."""
        self._losses: list[dict[str, float]] = []

    def run(self, out: Path, progress: Progress) -> TrainingState:
        """Train from the start, or from the checkpoint below `out`; returns the final state.

        Raises: StageError: the loss is not finite, embeddings collapse, or no step could be selected.
        """
        progress.start(self.data.plan.total, "steps")
        self._begin(out)
        progress.advance(self.state.done)
        loader = self.data.slides.loader
        planned = (self.share.of(batch) for step in self.data.plan.steps(self.state.done) for batch in step.batches)
        views = loader.ahead(planned)
        for step in self.data.plan.steps(self.state.done):
            self._train(step, views)
            self.state.done = step.number + 1
            if self.share.rank == 0:
                self._after_step(out, progress)
            progress.advance()
        if self.share.rank == 0 and self.state.best_step < 0:
            raise StageError("no step had a finite validation score", do="Lower pretrain.lr.")
        return self.state

    def _after_step(self, out: Path, progress: Progress) -> None:
        """Evaluate, check for collapse and write the checkpoint, where they are due."""
        done, settings = self.state.done, self.settings
        is_last = done == self.data.plan.total
        if is_last or done % settings.monitor_every == 0:
            self._evaluate(out, progress)
        elif done % CHECK_EVERY == 0:
            self._check_collapse(*self.data.evaluator.embed(self.method), progress)
        if is_last or done % settings.checkpoint_every == 0:
            save_state(out / LAST, self._contents())

    def described(self) -> dict[str, Any]:
        """Facts for pretrain.json."""
        slides = len(self.data.evaluator.pairs.dataset)
        return {
            "skipped_steps": self.guard.skipped,
            "monitored_slides": slides,
            "rankme_limit": min(slides - 1, self.method.encoder.embed_dim),
            "collapse_limits": self.collapse.limits(),
            "augmentations_left_out": self.data.slides.loader.left_out,
        }

    def _begin(self, out: Path) -> None:
        contents = load_state(out / LAST)
        if contents is None:
            if self.share.rank == 0:
                first = self._monitored()
                pooled = self.data.evaluator.mean_pool()
                self.collapse = CollapseCheck.begin(pooled, first.embeddings, first.projections)
            return
        self.method.load_state_dict(contents["method"])
        self.optimizer.load_state_dict(contents["optimizer"])
        self.schedule.load_state_dict(contents["schedule"])
        self.guard.skipped, self.guard.consecutive = contents["skipped"], contents["skipped_consecutive"]
        self.state = TrainingState.from_contents(contents["state"])
        self.collapse = CollapseCheck.from_contents(contents["collapse"])
        self._losses = contents["losses"]

    def _contents(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        return {
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "skipped": self.guard.skipped,
            "skipped_consecutive": self.guard.consecutive,
            "state": self.state.contents(),
            "collapse": self.collapse.contents(),
            "losses": self._losses,
        }

    def _train(self, step: PlannedStep, views: Iterator[tuple[Batch, ...]]) -> None:
        """One optimiser step on the next views; skipped if its loss or gradient is not finite."""
        self.method.train()
        self.optimizer.zero_grad()
        context = StepContext(step.number, self.data.plan.total, step.epoch, derive(self.seed, "step", step.number))
        self.method.begin_step(context)
        shares = [len(batch) / sum(map(len, step.batches)) for batch in step.batches]
        numbers = []
        for k, (draws, share) in enumerate(zip(step.batches, shares, strict=True)):
            seed_torch(context.seed, "batch", k, *self._process())  # dropout
            own = replace(context, patients=self.data.slides.patients_of(draws, self.device))
            parts = [self.share.part(view, len(draws)) for view in next(views)]
            numbers.append(self._backward(parts, share, own))
        average_gradients(self.method, self.share)
        self.method.before_update(context)
        norm = torch.nn.utils.clip_grad_norm_(self.method.parameters(), self.settings.clip)
        mean = {name: sum(each[name] for each in numbers) for name in numbers[0]}
        if self.guard.accepts(mean["loss"], float(norm), self._slide_ids(step.batches[0])):
            self.optimizer.step()
            self.method.after_update(context)
            self._losses.append(mean)
        self.schedule.step()

    def _process(self) -> tuple[str | int, ...]:
        """What distinguishes the random numbers of this process from those of the first."""
        return ("process", self.share.rank) if self.share.rank else ()

    def _backward(self, views: Sequence[Batch], share: float, context: StepContext) -> dict[str, float]:
        """Gradients of one batch, and its `share` of the loss and terms of the step."""
        half = self.settings.precision == "bf16"
        with fast_float32(self.device):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                loss = self.method.loss([view.to(self.device) for view in views], context)
            (loss.value * share).backward()  # type: ignore[no-untyped-call]  # untyped in torch
        return {name: share * value for name, value in loss.numbers().items()}

    def _slide_ids(self, draws: Sequence[Draw]) -> tuple[str, ...]:
        dataset = self.data.slides.loader.dataset
        return tuple(dataset.store.slide_id(dataset.numbers[draw.position]) for draw in draws)

    def _monitored(self) -> Evaluation:
        """Evaluate, and add a row to the monitors."""
        evaluation = self.data.evaluator(self.method, self.data.plan.total)
        losses, self._losses = self._losses, []
        means = {name: sum(each[name] for each in losses) / len(losses) for name in losses[0]} if losses else {}
        rate = float(self.schedule.get_last_lr()[0])
        row: dict[str, float] = {"step": self.state.done, "lr": rate, **_prefixed(means), **evaluation.values}
        self.state.rows.append({name: _plain(value) for name, value in row.items()})
        return evaluation

    def _evaluate(self, out: Path, progress: Progress) -> None:
        """Evaluate; keep the weights if they are the best; end the training if embeddings collapsed."""
        evaluation = self._monitored()
        self._check_collapse(evaluation.embeddings, evaluation.projections, progress)
        values = evaluation.values
        score = values["val_loss"] if self.method.selects_by == "loss" else -values["lidar"]
        if math.isfinite(score) and (self.state.best_step < 0 or score < self.state.best_score):
            self.state.best_step, self.state.best_score = self.state.done, score
            save_state(out / BEST, {"state": self.method.state_dict()})

    def _check_collapse(self, embeddings: Floats, projections: Floats, progress: Progress) -> None:
        """End the training, or print a warning, if embeddings [N, E] or projections [N, P] have collapsed."""
        reason = self.collapse.update(embeddings, projections)
        if not reason:
            return
        if self.settings.on_collapse == "stop":
            do = 'Lower pretrain.lr, use larger batches, or set pretrain.on_collapse = "warn".'
            where = f"[pretrain] method {self.settings.method.name}, step {self.state.done}"
            raise StageError("the embeddings have collapsed", where=where, got=reason, do=do)
        if not self.state.collapsed_at:
            self.state.collapsed_at, self.state.collapse = self.state.done, reason
            progress.note(f"step {self.state.done}: the embeddings have collapsed: {reason}")


def _prefixed(means: dict[str, float]) -> dict[str, float]:
    return {"train_loss" if name == "loss" else f"train_{name}": value for name, value in means.items()}


def _plain(value: float) -> float | None:
    """A number for JSON and CSV; None if it is not finite."""
    return value if math.isfinite(value) else None
