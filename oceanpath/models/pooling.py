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
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import PatchModelSettings
from oceanpath.models.streaming import RunningSoftmax


class SoftmaxPooling(BaseMIL):
    """Architectures of the form patches → `scores` → weighted means → `join`."""

    def __init__(self, settings: PatchModelSettings, in_dim: int, embed_dim: int) -> None:
        super().__init__(in_dim, embed_dim)
        self.patches = PatchMLP(settings, in_dim)

    @abstractmethod
    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [..., H]."""

    def join(self, pooled: Tensor) -> Tensor:
        """The slide embedding [B, embed_dim] from the means of the heads [B, H, hidden]; by default for one head."""
        return pooled.squeeze(1)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # this attention ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Weighted means of the hidden patches, and the mean weight over heads."""
        hidden = self.by_rows(self.patches, h)
        weights = masked_softmax(
            self.by_rows(self.scores, hidden).transpose(1, 2), None if mask is None else mask.unsqueeze(1)
        )
        pooled = torch.bmm(weights.to(hidden.dtype), hidden)
        return self.join(pooled), weights.mean(dim=1) if return_attention else None

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """As `forward_features` on the padded batch, without computing padding."""
        hidden = self.by_rows(self.patches, batch.features.to(next(self.parameters()).dtype))
        scores = widen(self.by_rows(self.scores, hidden))
        parts = [_weighted_mean(*bag) for bag in zip(batch.split(hidden), batch.split(scores), strict=True)]
        embedding = self.join(torch.stack([pooled for pooled, _ in parts]))
        return embedding, torch.cat([weights.mean(dim=1) for _, weights in parts]) if return_attention else None

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
            scores.append(widen(self.scores(hidden)).T)
            running.add(scores[-1], hidden)
        embedding = self.join(running.mean().to(hidden.dtype).unsqueeze(0)).squeeze(0)
        return embedding, running.weights(torch.cat(scores, dim=1)).mean(dim=0) if return_attention else None

    def contributions(self, rows: Tensor, head: nn.Linear) -> Tensor:
        """The weight of a patch times the outputs for this patch alone, as in additive MIL (Javed et al. 2022).

        `join` is affine, and the weights of a head sum to 1, so its constant is divided by the mean weight over heads.
        """
        dtype = next(self.parameters()).dtype

        def hidden(block: slice) -> Tensor:
            patches: Tensor = self.patches(rows[block].to(dtype))
            return patches

        scores = streaming.in_blocks(len(rows), lambda block: widen(self.scores(hidden(block))))
        weights = torch.softmax(scores, dim=0)

        def added(block: slice) -> Tensor:
            pooled = weights[block].to(dtype).unsqueeze(-1) * hidden(block).unsqueeze(1)
            constant = self.join(torch.zeros_like(pooled[:1]))
            share = weights[block].to(dtype).mean(dim=1, keepdim=True)
            parts: Tensor = linear(self.join(pooled) - constant, head.weight) + share * head(constant)
            return parts

        return streaming.in_blocks(len(rows), added)


def _weighted_mean(hidden: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(scores, dim=0)
    return weights.to(hidden.dtype).T @ hidden, weights
