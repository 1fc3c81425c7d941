"""SiMLP, a perceptron over the mean patch: Li et al., "Can We Simplify Slide-level Fine-tuning ...?", 2025.

z = dropout( relu( W · 1/n Σ_k h_k + b ) )

The classifier's linear layer is the second layer. Unlike `static`, the mean is that of the patch features.
"""

from __future__ import annotations

from torch import Tensor, nn

from oceanpath.models.patches import NORMS
from oceanpath.models.pooling import SoftmaxPooling
from oceanpath.models.settings import MeanMLPSettings


class MeanMLP(SoftmaxPooling):
    """The mean of the normalised patch features, and one hidden layer. "Attention" is 1/n."""

    is_additive = False

    def __init__(self, settings: MeanMLPSettings, in_dim: int) -> None:
        patches = nn.Sequential(NORMS[settings.input_norm](in_dim), nn.Dropout(settings.input_dropout))
        super().__init__(patches, in_dim, settings.hidden)
        layer = nn.Linear(in_dim, settings.hidden)
        self.perceptron = nn.Sequential(layer, nn.ReLU(), nn.Dropout(settings.dropout))

    def scores(self, hidden: Tensor) -> Tensor:
        """Equal scores: [..., in_dim] → [..., 1]."""
        return hidden.new_zeros(*hidden.shape[:-1], 1)

    def join(self, pooled: Tensor) -> Tensor:
        """The hidden layer over the mean."""
        embedding: Tensor = self.perceptron(pooled.squeeze(1))
        return embedding
