"""Several gated attention heads over the same patches: equation 9 of Ilse, Tomczak and Welling (ICML 2018) per head.

    z = W [z_1; …; z_H]        z_h = Σ_k a_hk x_k        a_hk = softmax_k( w_hᵀ ( tanh(V_h x_k) ⊙ sigm(U_h x_k) ) )

The returned attention is the mean over heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from oceanpath.models.patches import PatchMLP
from oceanpath.models.pooling import SoftmaxPooling
from oceanpath.models.settings import MultiheadABMILSettings


class MultiheadABMIL(SoftmaxPooling):
    """`settings.heads` independent gated attentions, their means joined by one linear layer."""

    def __init__(self, settings: MultiheadABMILSettings, in_dim: int) -> None:
        super().__init__(PatchMLP(settings, in_dim), in_dim, settings.hidden)
        heads, width = settings.heads, settings.attention
        self.tanh_branch = nn.Linear(settings.hidden, heads * width)
        self.sigmoid_branch = nn.Linear(settings.hidden, heads * width)
        self.gate_dropout = nn.Dropout(settings.dropout)
        self.score = nn.Parameter(torch.empty(heads, width).uniform_(-1, 1) / math.sqrt(width))
        self.joined = nn.Linear(heads * settings.hidden, settings.hidden)

    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [..., H]."""
        gated = torch.tanh(self.tanh_branch(hidden)) * torch.sigmoid(self.sigmoid_branch(hidden))
        heads = self.gate_dropout(gated).reshape(*gated.shape[:-1], *self.score.shape)
        scores: Tensor = (heads * self.score).sum(dim=-1)
        return scores

    def join(self, pooled: Tensor) -> Tensor:
        """One linear layer over the concatenated heads."""
        embedding: Tensor = self.joined(pooled.flatten(1))
        return embedding
