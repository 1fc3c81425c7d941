"""A linear model of the mean patch: the classifier's linear layer on the mean of the normalised patch features.

z = 1/n Σ_k h_k + b
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models.patches import NORMS
from oceanpath.models.pooling import SoftmaxPooling
from oceanpath.models.settings import LinearSettings


class LinearPooling(SoftmaxPooling):
    """The mean of the normalised patch features, without a hidden layer. "Attention" is 1/n."""

    def __init__(self, settings: LinearSettings, in_dim: int) -> None:
        super().__init__(
            nn.Sequential(NORMS[settings.input_norm](in_dim), nn.Dropout(settings.dropout)), in_dim, in_dim
        )
        self.offset = nn.Parameter(torch.zeros(in_dim))

    def scores(self, hidden: Tensor) -> Tensor:
        """Equal scores: [..., in_dim] → [..., 1]."""
        return hidden.new_zeros(*hidden.shape[:-1], 1)

    def join(self, pooled: Tensor) -> Tensor:
        """The mean with a learned offset."""
        return pooled.squeeze(1) + self.offset
