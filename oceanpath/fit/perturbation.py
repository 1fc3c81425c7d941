"""Random changes of training batches: patches that are left out, and noise in their features."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.deviation import feature_deviation
from oceanpath.fit.settings import FitSettings


class Perturbation(NamedTuple):
    """The changes of one training, drawn from torch's global generator."""

    dropout: float
    """Probability with which each patch is left out."""
    noise: Tensor | None
    """[D] standard deviation of the noise in each feature; None: no noise."""

    @classmethod
    def of(cls, settings: FitSettings, dataset: BagDataset, device: torch.device, seed: int) -> Self:
        """Those of the settings; the noise is relative to the deviation over the slides of `dataset`."""
        if settings.feature_noise == 0.0:
            return cls(settings.instance_dropout, None)
        deviation = feature_deviation(dataset.store, dataset.numbers, seed)
        return cls(settings.instance_dropout, torch.from_numpy(settings.feature_noise * deviation).to(device))

    def __call__(self, batch: Batch) -> Batch:
        """The changed batch; a bag keeps at least one patch."""
        batch = drop_patches(batch, self.dropout) if self.dropout else batch
        if self.noise is None:
            return batch
        features = batch.features.float()
        return replace(batch, features=features + self.noise * torch.randn_like(features))


def drop_patches(batch: Batch, rate: float) -> Batch:
    """Each patch is left out with probability `rate`; a bag keeps at least one."""
    draws = torch.rand(len(batch.features), device=batch.features.device)
    largest = torch.stack([part.max() for part in batch.split(draws)])
    keep = (draws >= rate) | (draws == largest.repeat_interleave(batch.lengths))
    kept = torch.stack([part.sum() for part in batch.split(keep)])
    offsets = torch.nn.functional.pad(kept.cumsum(0), (1, 0))
    coords = None if batch.coords is None else batch.coords[keep]
    return replace(batch, features=batch.features[keep], offsets=offsets, coords=coords)
