"""Gated attention pooling: Ilse, Tomczak and Welling, "Attention-based Deep Multiple Instance Learning", ICML 2018.

    a_k = softmax_k( wᵀ ( tanh(V h_k) ⊙ sigm(U h_k) ) )      equation 9
    z   = Σ_k a_k h_k                                        equation 7

Unlike the authors' code, V and U have biases and the patches pass one hidden layer with dropout first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax
from oceanpath.models.settings import ABMILSettings


class ABMIL(BaseMIL):
    """Gated attention over patches of width `settings.hidden`."""

    def __init__(self, settings: ABMILSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.patches = PatchMLP(settings, in_dim)
        self.tanh_branch = nn.Linear(settings.hidden, settings.attention)
        self.sigmoid_branch = nn.Linear(settings.hidden, settings.attention)
        self.gate_dropout = nn.Dropout(settings.dropout)
        self.score = nn.Linear(settings.attention, 1)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # attention does not look at places
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Weighted mean of the hidden patches, and the weights."""
        hidden = self.patches(h)
        attention = masked_softmax(self.scores(hidden), mask)
        embedding = torch.bmm(attention.to(hidden.dtype).unsqueeze(1), hidden).squeeze(1)
        return embedding, attention if return_attention else None

    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [...]."""
        gated = torch.tanh(self.tanh_branch(hidden)) * torch.sigmoid(self.sigmoid_branch(hidden))
        scores: Tensor = self.score(self.gate_dropout(gated)).squeeze(-1)
        return scores

    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """As `forward_features` on the padded form, with no row computed that is not real: only scores are padded."""
        hidden = self.patches(batch.features.to(self.score.weight.dtype))
        lengths = batch.lengths.tolist()
        scores = pad_sequence(list(torch.split(self.scores(hidden), lengths)), batch_first=True)
        weights = masked_softmax(scores, batch.mask())
        rows = zip(weights.to(hidden.dtype), torch.split(hidden, lengths), strict=True)
        embedding = torch.stack([weight[: len(bag)] @ bag for weight, bag in rows])
        return embedding, weights[batch.mask()] if return_attention else None
