"""Training with Lightning: ragged batches, seeds per step, no files, nothing on stdout."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from oceanpath.torchvision_import import import_torchvision

with suppress(ModuleNotFoundError):
    import_torchvision()  # Lightning imports it if it is installed, even if it cannot be loaded

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.windows import Window
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.loader import Loader
from oceanpath.bags.placement import loader_of
from oceanpath.fit.non_finite import NonFiniteGuard
from oceanpath.fit.objectives.base import Objective
from oceanpath.fit.optim import build_optimizer, build_schedule
from oceanpath.fit.seeds import derive, seed_torch
from oceanpath.fit.settings import FitSettings
from oceanpath.models.base import MILOutput
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.float32 import fast_float32

EpochEnd = Callable[[int, float], bool]
"""(epoch, mean training loss) → whether to stop."""


class FitModule(pl.LightningModule):
    """A model in training. It calls the optimiser itself, so that steps with non-finite gradients can be skipped."""

    def __init__(
        self, model: WSIClassifier, objective: Objective, settings: FitSettings, seed: int, frozen_epochs: int = 0
    ) -> None:
        """`frozen_epochs` is the number of epochs in which the aggregator is not trained."""
        super().__init__()
        self.frozen_epochs = frozen_epochs
        self.automatic_optimization = False
        self.model, self.objective, self.settings, self.seed = model, objective, settings, seed
        self.guard = NonFiniteGuard(settings.skip_limit)
        self.losses: list[float] = []
        self.kept: list[tuple[MILOutput, Batch]] = []
        """Outputs of the batches of the current window, with their graphs."""
        self.batches: BatchSampler | None = None
        """The batches of the current epoch; None: every batch has a loss of its own."""
        self.ends_loss = True
        """Whether the current batch is the last of its window."""
        self.steps = 0
        """Number of batches of the whole fit."""

    def configure_optimizers(self) -> Any:
        """AdamW and its schedule, counted in batches."""
        optimizer = build_optimizer(self.model, self.settings.lr, self.settings.weight_decay)
        warmup = round(self.settings.warmup * self.steps / self.settings.epochs)
        return [optimizer], [build_schedule(optimizer, warmup, self.steps)]

    def on_train_epoch_start(self) -> None:
        """Freeze the aggregator in the first epochs, and train it in the others."""
        if self.frozen_epochs and self.current_epoch == 0:
            self.model.aggregator.freeze()
        elif self.frozen_epochs and self.current_epoch == self.frozen_epochs:
            self.model.aggregator.unfreeze()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002  # Lightning's signature
        """Seed dropout by (seed, epoch, step), independently of earlier draws."""
        seed_torch(self.seed, "step", self.current_epoch, batch_idx)
        self.ends_loss = self.batches is None or self.batches.ends_loss(batch_idx)

    def training_step(self, batch: Batch) -> None:
        """Forward; at the end of a window, backward, clip, and step if all is finite."""
        self.kept.append((self.model.output_packed(batch), batch))
        if self.ends_loss:
            self._step()
        # The schedule counts batches, not updates: after a skipped step the rate still ends at its planned value.
        schedule: Any = self.lr_schedulers()
        schedule.step()

    def _step(self) -> None:
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        loss = self._loss()
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        value, slides = float(loss.detach()), tuple(name for _, batch in self.kept for name in batch.slide_ids)
        self.kept = []
        if self.guard.accepts(value, float(norm), slides):
            self.losses.append(value)
            optimizer.step()

    def _loss(self) -> Tensor:
        """Mean loss of the slides of the kept batches."""
        labels = [batch.labels for _, batch in self.kept if batch.labels is not None]
        assert len(labels) == len(self.kept), "the training dataset has labels"
        losses = self.objective.loss(torch.cat([output.logits for output, _ in self.kept]), torch.cat(labels))
        return (self.model.blend(losses, self.kept[0][0]) if len(self.kept) == 1 else losses).mean()

    def mean_loss(self) -> float:
        """Mean loss of the steps since the last call; NaN if there were none."""
        losses, self.losses = self.losses, []
        return sum(losses) / len(losses) if losses else math.nan


class _AtEpochEnd(pl.Callback):
    def __init__(self, epoch_end: EpochEnd, batches: BatchSampler) -> None:
        self.epoch_end, self.batches = epoch_end, batches

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, FitModule)
        trainer.should_stop = self.epoch_end(trainer.current_epoch, pl_module.mean_loss())
        self.batches.set_epoch(trainer.current_epoch + 1)  # Lightning reads the number of batches before it does this


def fit_model(
    module: FitModule,
    dataset: BagDataset,
    strata: list[int] | None,
    device: torch.device,
    epoch_end: EpochEnd,
    window: Window | None = None,
) -> None:
    """Train in place until `epoch_end`, called after every epoch, returns True, or for all epochs.

    Args:
        module: model, objective, settings and seed.
        dataset: training slides with labels.
        strata: stratum of each slide, if strata are drawn equally often; None = every slide once per epoch.
        device: device of the computation.
        epoch_end: called with (epoch, mean training loss) when the weights are those at the end of the epoch.
        window: the slides that one loss needs; None = those of a batch.

    Raises: StageError: too many consecutive steps without a finite loss and gradient.
    """
    with warnings.catch_warnings():
        _silence_lightning()
        batches = _batches(module, dataset, strata, window)
        module.batches = None if window is None else batches
        module.steps = batches.total(module.settings.epochs)
        trainer = _trainer(module.settings, device, _AtEpochEnd(epoch_end, batches))
        with fast_float32(device):  # threads read ahead into reused memory: worker processes would only add a copy
            _fit(trainer, module, loader_of(dataset, batches))


def _batches(module: FitModule, dataset: BagDataset, strata: list[int] | None, window: Window | None) -> BatchSampler:
    lengths = [dataset.length(position) for position in range(len(dataset))]
    settings, seed = module.settings, derive(module.seed, "order")
    return BatchSampler(lengths, settings.batching, settings.batch_size, seed, strata, window=window)


def _trainer(settings: FitSettings, device: torch.device, at_epoch_end: _AtEpochEnd) -> pl.Trainer:
    return pl.Trainer(
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
        max_epochs=settings.epochs,
        callbacks=[at_epoch_end],
        reload_dataloaders_every_n_epochs=1,  # epochs may differ in their number of batches
        plugins=[LightningEnvironment()],  # on a Slurm node Lightning would otherwise try to join the job's tasks
        deterministic=True,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _fit(trainer: pl.Trainer, module: FitModule, loader: Loader) -> None:
    """Train; Ctrl-C raises KeyboardInterrupt, although Lightning turns it into SystemExit(1)."""
    try:
        trainer.fit(module, loader)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        raise


def _silence_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*srun.*")
    warnings.filterwarnings("ignore", message=".*in eval mode at the start.*")  # a frozen aggregator
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*number of training batches.*")
    # A skipped first step advances the schedule before the optimiser, as intended.
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step.*")
