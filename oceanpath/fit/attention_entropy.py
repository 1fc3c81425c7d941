"""The entropy of attention: Zhang et al., "AEM: Attention Entropy Maximization ...", 2024."""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.base import MILOutput


def attention_entropy(batch: Batch, output: MILOutput) -> Tensor:
    """-Σ_k a_k log a_k of every bag, [B], from 0 for a single patch to log n; 0 log 0 is 0."""
    attention = output.extras["attention"]
    tiny = torch.finfo(attention.dtype).tiny
    terms = -attention * torch.log(attention.clamp_min(tiny))
    return torch.stack([bag.sum() for bag in batch.split(terms)])
