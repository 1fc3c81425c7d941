"""The normalisation of patch features that is fitted on the training slides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.deviation import feature_moments
from oceanpath.models.patches import ZScore


def fit_input_norm(model: nn.Module, store: Store, numbers: Sequence[int], seed: int) -> None:
    """Set the moments of every `ZScore` of a model from a sample of patches of the slides `numbers`."""
    norms = [part for part in model.modules() if isinstance(part, ZScore)]
    if norms:
        mean, deviation = map(torch.from_numpy, feature_moments(store, numbers, seed))
        for norm in norms:
            norm.set_moments(mean, deviation)
