"""Softmax-weighted means of hidden patches, in one or several heads: padded, packed, and streamed at inference.

    w_hk = softmax_k s_h(x_k)        z_h = Σ_k w_hk x_k        e = join(z_1 … z_H)

At inference long bags are computed in blocks; of all patches only the scores are stored.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import masked_softmax, widen
from oceanpath.models.streaming import RunningSoftmax


class SoftmaxPooling(BaseMIL):
    """Architectures of the form patches → `scores` → weighted means → `join`."""

    pools_blocks = True
    is_additive = True
    """Whether `join` is affine, so that the outputs are a sum over patches."""

    def __init__(self, patches: nn.Module, in_dim: int, embed_dim: int) -> None:
        """`patches` computes the hidden patches, row by row."""
        super().__init__(in_dim, embed_dim)
        self.patches = patches

    @abstractmethod
    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [..., H]."""

    def bag_scores(self, scores: Tensor, first: int) -> Tensor:  # noqa: ARG002  # most architectures need only the patch
        """The scores [..., H, n] of heads from those of the patches `first`, `first` + 1, … of a bag; float32 or wider.

        An architecture whose scores depend on the bag sets `requires_packed`, so that there is no padding.
        """
        return scores

    def join(self, pooled: Tensor) -> Tensor:
        """The slide embedding [B, embed_dim] from the means of the heads [B, H, hidden]; by default for one head."""
        return pooled.squeeze(1)

    def head_shares(self, pooled: Tensor) -> Tensor | None:  # noqa: ARG002  # equal for most architectures
        """The share [B, H] of each head in the returned attention; None: equal shares."""
        return None

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # this attention ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Weighted means of the hidden patches, and the mean weight over heads."""
        hidden = self.by_rows(self.patches, h)
        scores = self.bag_scores(widen(self.by_rows(self.scores, hidden).transpose(1, 2)), 0)
        weights = masked_softmax(scores, None if mask is None else mask.unsqueeze(1))
        pooled = torch.bmm(weights.to(hidden.dtype), hidden)
        if not return_attention:
            return self.join(pooled), None
        return self.join(pooled), _over_heads(weights, self.head_shares(pooled), dim=1)

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """As `forward_features` on the padded batch, without computing padding."""
        pooled, weights = self.attend(batch)
        return self.join(pooled), self.patch_attention(pooled, weights) if return_attention else None

    def attend(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """The means [B, H, hidden] of the heads, and the weights [n, H] of each bag."""
        hidden = self.by_rows(self.patches, batch.features.to(next(self.parameters()).dtype))
        scores = widen(self.by_rows(self.scores, hidden))
        weights = [torch.softmax(self.bag_scores(bag.T, 0).T, dim=0) for bag in batch.split(scores)]
        means = [bag.to(rows.dtype).T @ rows for rows, bag in zip(batch.split(hidden), weights, strict=True)]
        return torch.stack(means), weights

    def patch_attention(self, pooled: Tensor, weights: list[Tensor]) -> Tensor:
        """The attention [T] from the results of `attend`."""
        shares = self.head_shares(pooled)
        of_bags = [None] * len(weights) if shares is None else list(shares)
        return torch.cat([_over_heads(bag, share, dim=1) for bag, share in zip(weights, of_bags, strict=True)])

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # this attention ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks; of all patches only the scores are stored."""
        running, scores = RunningSoftmax(), []
        for block in streaming.blocks(len(rows)):
            hidden = self.patches(rows[block].to(next(self.parameters()).dtype))
            patch_scores = widen(self.scores(hidden)).T
            scores.append(patch_scores)
            running.add(self.bag_scores(patch_scores, block.start), hidden)
        pooled = running.mean().to(hidden.dtype).unsqueeze(0)
        embedding = self.join(pooled).squeeze(0)
        if not return_attention:
            return embedding, None
        weights = running.weights(self.bag_scores(torch.cat(scores, dim=1), 0))
        shares = self.head_shares(pooled)
        return embedding, _over_heads(weights, None if shares is None else shares[0], dim=0)

    def contributions(self, rows: Tensor, head: nn.Linear) -> Tensor | None:
        """The weight of a patch times the outputs for this patch alone, as in additive MIL (Javed et al. 2022).

        None unless `is_additive`. `join` is affine, and the weights of a head sum to 1, so its constant is divided by
        the mean weight over heads.
        """
        if not self.is_additive:
            return None
        dtype = next(self.parameters()).dtype

        def hidden(block: slice) -> Tensor:
            patches: Tensor = self.patches(rows[block].to(dtype))
            return patches

        scores = streaming.in_blocks(len(rows), lambda block: widen(self.scores(hidden(block))))
        weights = torch.softmax(self.bag_scores(scores.T, 0), dim=1).T

        def added(block: slice) -> Tensor:
            pooled = weights[block].to(dtype).unsqueeze(-1) * hidden(block).unsqueeze(1)
            constant = self.join(torch.zeros_like(pooled[:1]))
            share = weights[block].to(dtype).mean(dim=1, keepdim=True)
            parts: Tensor = linear(self.join(pooled) - constant, head.weight) + share * head(constant)
            return parts

        return streaming.in_blocks(len(rows), added)


def _over_heads(weights: Tensor, shares: Tensor | None, dim: int) -> Tensor:
    """The mean over the axis `dim` of heads, or the sum by their shares [..., H]."""
    if shares is None:
        return weights.mean(dim=dim)
    return (weights.movedim(dim, -1) * shares.unsqueeze(-2)).sum(dim=-1)
