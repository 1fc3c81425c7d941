"""Softmax-weighted means of hidden patches, in one or several heads: padded, packed, and streamed at inference.

    w_hk = softmax_k s_h(x_k)        z_h = Σ_k w_hk x_k        e = join(z_1 … z_H)

A streamed bag is read in blocks of rows; a running maximum, sum and weighted sum of each head (Milakov and Gimelshein
2018) are all that is kept beside the scores, so memory above the bag does not grow with its hidden width.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import PatchModelSettings

STREAM_ABOVE = 16_384
"""Rows of a batch above which inference streams; below it everything fits into a few megabytes anyway."""
BLOCK = 4096


class SoftmaxPooling(BaseMIL):
    """An architecture that is patches → `scores` → weighted means → `join`."""

    def __init__(self, settings: PatchModelSettings, in_dim: int, embed_dim: int) -> None:
        super().__init__(in_dim, embed_dim)
        self.patches = PatchMLP(settings, in_dim)

    @abstractmethod
    def scores(self, hidden: Tensor) -> Tensor:
        """Attention before the softmax: [..., hidden] → [..., H]."""

    def join(self, pooled: Tensor) -> Tensor:
        """The slide embedding [B, embed_dim] of the heads' means [B, H, hidden]; here of a single head."""
        return pooled.squeeze(1)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # attention does not look at places
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Weighted means of the hidden patches, and the mean weight over heads."""
        hidden = self.patches(h)
        weights = masked_softmax(self.scores(hidden).transpose(1, 2), None if mask is None else mask.unsqueeze(1))
        pooled = torch.bmm(weights.to(hidden.dtype), hidden)
        return self.join(pooled), weights.mean(dim=1) if return_attention else None

    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """As `forward_features` on the padded form, with no row computed that is not real."""
        rows = batch.features
        if len(rows) > STREAM_ABOVE and not torch.is_grad_enabled():
            parts = [self._stream(rows[start:stop]) for start, stop in batch.spans()]
        else:
            hidden = self.patches(rows.to(next(self.parameters()).dtype))
            scores = widen(self.scores(hidden))
            parts = [_weigh(hidden[start:stop], scores[start:stop]) for start, stop in batch.spans()]
        embedding = self.join(torch.stack([pooled for pooled, _ in parts]))
        return embedding, torch.cat([weights.mean(dim=1) for _, weights in parts]) if return_attention else None

    def _stream(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        dtype = next(self.parameters()).dtype
        scores: list[Tensor] = []
        top = total = sums = torch.empty(0)
        for block in torch.split(rows, BLOCK):
            hidden = self.patches(block.to(dtype))
            scores.append(widen(self.scores(hidden)))
            before, top = top, scores[-1].amax(dim=0) if not len(top) else torch.maximum(top, scores[-1].amax(dim=0))
            powers = torch.exp(scores[-1] - top)
            added, weighed = powers.sum(dim=0), widen(powers.to(hidden.dtype).T @ hidden)
            if len(before):
                keep = torch.exp(before - top)
                added, weighed = added + total * keep, weighed + sums * keep.unsqueeze(1)
            total, sums = added, weighed
        return (sums / total.unsqueeze(1)).to(hidden.dtype), torch.exp(torch.cat(scores) - top) / total


def _weigh(hidden: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(scores, dim=0)
    return weights.to(hidden.dtype).T @ hidden, weights
