"""ACMIL: Zhang et al., "Attention-Challenging Multiple Instance Learning ...", ECCV 2024.

    a_mk = softmax_k( w_mᵀ ( tanh(V x_k) ⊙ sigm(U x_k) ) )        z_m = Σ_k a_mk x_k        z = 1/M Σ_m z_m

In training each branch is also classified by a linear layer of its own, the mean cosine similarity of the attention of
two branches is a loss, and a part of the most attended patches of each branch is left out (stochastic top-k masking).
The losses of the slide, of the branches and of similarity have equal weights in the paper, as with
`branch_weight` = 0.5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from oceanpath.bags.batch import Batch
from oceanpath.models.abmil import ABMIL
from oceanpath.models.settings import ACMILSettings


class ACMIL(ABMIL):
    """Gated attention in `settings.branches` branches, whose mean is the slide embedding."""

    requires_packed = True

    def __init__(self, settings: ACMILSettings, in_dim: int) -> None:
        super().__init__(settings, in_dim, settings.branches)
        self.settings, self.auxiliary_weight = settings, settings.branch_weight

    def bag_scores(self, scores: Tensor, first: int) -> Tensor:  # noqa: ARG002  # no patch depends on its number
        """In training a random part of the highest scores of each branch is -inf."""
        top = min(self.settings.masked_patches, scores.shape[-1])
        count = int(top * self.settings.masked_share)
        if not self.training or not count:
            return scores
        highest = scores.topk(top, dim=-1).indices
        chosen = torch.rand(highest.shape, device=scores.device).argsort(dim=-1)[..., :count]
        return scores.scatter(-1, highest.gather(-1, chosen), float("-inf"))

    def join(self, pooled: Tensor) -> Tensor:
        """The mean over branches."""
        return pooled.mean(dim=1)

    def auxiliary_head(self, outputs: int) -> nn.Module | None:
        """A linear layer per branch, for a weight above 0."""
        layers = [nn.Linear(self.embed_dim, outputs) for _ in range(self.settings.branches)]
        return nn.ModuleList(layers) if self.auxiliary_weight else None

    def forward_auxiliary(self, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """With the predictions of the branches and the similarity of their attention."""
        assert isinstance(head, nn.ModuleList)
        pooled, weights = self.attend(batch)
        logits = torch.stack([layer(branch) for layer, branch in zip(head, pooled.unbind(dim=1), strict=True)])
        extras = {"auxiliary_logits": logits, "auxiliary_loss": torch.stack([_similarity(bag) for bag in weights])}
        return self.join(pooled), self.patch_attention(pooled, weights), extras


def _similarity(weights: Tensor) -> Tensor:
    """The mean cosine similarity of two columns of weights [n, M]; 0 for a single column."""
    columns = normalize(weights, dim=0)
    pairs = columns.shape[1] * (columns.shape[1] - 1)
    cosines = columns.T @ columns
    return (cosines.sum() - cosines.diagonal().sum()) / max(1, pairs)
