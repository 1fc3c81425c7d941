"""Gated attention pooling: Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018.

    a_k = softmax_k( wᵀ ( tanh(V h_k) ⊙ sigm(U h_k) ) )      equation 9
    z   = Σ_k a_k h_k                                        equation 7

Unlike in the authors' code, V and U have biases, and the patches first pass one hidden layer with dropout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models.patches import PatchMLP
from oceanpath.models.pooling import SoftmaxPooling
from oceanpath.models.settings import ABMILSettings


class ABMIL(SoftmaxPooling):
    """Gated attention over patches of width `settings.hidden`."""

    def __init__(self, settings: ABMILSettings, in_dim: int, branches: int = 1) -> None:
        """`branches` is the number of scores of each patch."""
        super().__init__(PatchMLP(settings, in_dim), in_dim, settings.hidden)
        self.tanh_branch = nn.Linear(settings.hidden, settings.attention)
        self.sigmoid_branch = nn.Linear(settings.hidden, settings.attention)
        self.gate_dropout = nn.Dropout(settings.dropout)
        self.score = nn.Linear(settings.attention, branches)

    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [..., branches]."""
        gated = torch.tanh(self.tanh_branch(hidden)) * torch.sigmoid(self.sigmoid_branch(hidden))
        scores: Tensor = self.score(self.gate_dropout(gated))
        return scores
