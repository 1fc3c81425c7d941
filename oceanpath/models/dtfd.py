"""DTFD-MIL with aggregated features (AFS): Zhang et al., "DTFD-MIL: Double-Tier Feature Distillation ...", CVPR 2022.

    a_mk = softmax_{k in pseudo-bag m} s(x_k)        z_m = Σ_k a_mk x_k        tier 1
    b_m  = softmax_m t(z_m)                          z   = Σ_m b_m z_m         tier 2

s and t are gated attention. In training the patches of a bag are assigned to M pseudo-bags at random, and every one is
also classified, with the label of the slide. At inference patch k belongs to pseudo-bag k mod M, so that a slide has
one result; in the authors' code it depends on random numbers. A pseudo-bag without patches, of a bag with fewer than M,
is the mean of the bag.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models.abmil import ABMIL
from oceanpath.models.patches import masked_softmax
from oceanpath.models.settings import DTFDSettings

ELSEWHERE = -1e30
"""Score of a patch in a pseudo-bag to which it does not belong; finite, so that an empty pseudo-bag has a mean."""


class DTFD(ABMIL):
    """Gated attention within `settings.pseudo_bags` pseudo-bags, and over them."""

    ordered = True
    requires_packed = True
    pools_blocks = False  # the pseudo-bag of a patch depends on its number
    is_additive = False

    def __init__(self, settings: DTFDSettings, in_dim: int) -> None:
        super().__init__(settings, in_dim)
        self.pseudo_bags, self.auxiliary_weight = settings.pseudo_bags, settings.tier1_weight
        width, attention = settings.hidden, settings.attention
        self.bag_tanh, self.bag_sigmoid = nn.Linear(width, attention), nn.Linear(width, attention)
        self.bag_score = nn.Linear(attention, 1)

    def bag_scores(self, scores: Tensor, first: int) -> Tensor:
        """The scores [..., M, n] in each pseudo-bag of scores [..., 1, n]."""
        patches, number = scores.shape[-1], torch.arange(self.pseudo_bags, device=scores.device)
        position = torch.randperm(patches) if self.training else torch.arange(first, first + patches)
        is_member = position.to(scores.device) % self.pseudo_bags == number[:, None]
        return torch.where(is_member, scores, scores.new_tensor(ELSEWHERE))

    def head_shares(self, pooled: Tensor) -> Tensor:
        """The weights [B, M] of the pseudo-bags, float32 or wider."""
        gated = torch.tanh(self.bag_tanh(pooled)) * torch.sigmoid(self.bag_sigmoid(pooled))
        return masked_softmax(self.bag_score(gated).squeeze(-1), None)

    def join(self, pooled: Tensor) -> Tensor:
        """The mean of the pseudo-bags, weighted by tier 2."""
        return torch.bmm(self.head_shares(pooled).to(pooled.dtype).unsqueeze(1), pooled).squeeze(1)

    def auxiliary_head(self, outputs: int) -> nn.Module | None:
        """The linear layer of tier 1, for a weight above 0."""
        return nn.Linear(self.embed_dim, outputs) if self.auxiliary_weight else None

    def forward_auxiliary(self, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """With the predictions of the pseudo-bags."""
        pooled, weights = self.attend(batch)
        extras = {"auxiliary_logits": head(pooled).transpose(0, 1)}
        return self.join(pooled), self.patch_attention(pooled, weights), extras
