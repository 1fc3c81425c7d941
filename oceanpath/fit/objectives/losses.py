"""Losses of a slide classifier: one number per slide, so that a batch of one keeps its class weight."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

SlideLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits [B, C], labels [B]) → loss of each slide [B]."""


def build_loss(kind: str, weights: Tensor | None = None, gamma: float = 2.0, smoothing: float = 0.0) -> SlideLoss:
    """Cross-entropy or focal loss; `weights` [C] multiplies the loss of each class's slides.

    Args:
        kind: ``ce``, or ``focal`` (Lin et al. 2017, eq. 5).
        weights: [C], None = 1.
        gamma: how much ``focal`` discounts slides that are classified correctly; 0 is cross-entropy.
        smoothing: fraction of the label that is spread over all classes (``ce`` only).
    """

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing if kind == "ce" else 0.0)
        if kind == "focal":
            # The probability comes from the unweighted loss: a class weight must not look like confidence.
            losses = (1.0 - torch.exp(-losses)) ** gamma * losses
        return losses if weights is None else losses * weights.to(losses)[labels]

    return loss


def balanced_weights(labels: Tensor, n_classes: int) -> Tensor:
    """Weights [C] by inverse frequency with mean 1 over `labels`; a class without slides has weight 0."""
    counts = torch.bincount(labels, minlength=n_classes).double()
    present = int((counts > 0).sum())
    return torch.where(counts > 0, len(labels) / (present * counts.clamp(min=1.0)), 0.0).float()
