"""What every aggregator promises, whatever it does inside.

padding and the other bags of a batch never change a slide's embedding
packed = padded = alone
attention is float32 (float64 for a float64 model), non-negative and sums to 1 over the real patches of a bag
the order of patches does not matter, unless the class sets `ordered`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch


@dataclass(frozen=True)
class MILOutput:
    """What a classifier says about a batch of B bags."""

    slide_embedding: Tensor
    """[B, E]."""
    logits: Tensor
    """[B, C] float32."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``attention`` [B, N] (padded) or [T] (packed), when it was asked for."""


class BaseMIL(nn.Module, ABC):
    """An aggregator: h [B, N, in_dim] → embedding [B, embed_dim]. A new architecture implements `pool`."""

    ordered = False
    """Whether the order of the patches means something to this architecture."""
    unpads = False
    """Whether padded bags are taken one by one without their padding, so that `pool` never sees a mask."""

    def __init__(self, in_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.in_dim, self.embed_dim = in_dim, embed_dim
        self.frozen = False

    def freeze(self) -> Self:
        """No parameter learns any more, and dropout rests even in training; returns self."""
        self.frozen = True
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """As torch's; a frozen aggregator stays in eval mode."""
        return super().train(mode and not self.frozen)

    @abstractmethod
    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """`forward_features` on features that have the parameters' dtype and zeros where `mask` is False."""

    def forward_features(
        self,
        h: Tensor,
        mask: Tensor | None = None,
        coords: Tensor | None = None,
        return_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Embeddings of padded bags; each has at least one real patch.

        Args:
            h: [B, N, in_dim], any floating dtype; what stands in padded rows is never looked at.
            mask: [B, N] bool, True where a patch is real; None = all are.
            coords: [B, N, 2] int32 level-0 pixels; None = unknown.
            return_attention: whether attention is wanted.

        Returns:
            The embedding [B, embed_dim] and the attention [B, N] (None unless asked for).
        """
        h = h.to(next(self.parameters()).dtype)
        if mask is not None and self.unpads:
            return self._unpadded(h, mask, coords, return_attention)
        if mask is not None:
            h = torch.where(mask.unsqueeze(-1), h, h.new_zeros(()))
        return self.pool(h, mask, coords, return_attention)

    def _unpadded(
        self, h: Tensor, mask: Tensor, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        offsets = torch.nn.functional.pad(mask.sum(dim=1).cumsum(0), (1, 0))
        real = Batch(h[mask], offsets, None if coords is None else coords[mask])
        embedding, packed = self.forward_packed(real, return_attention)
        if packed is None:
            return embedding, None
        return embedding, packed.new_zeros(mask.shape).masked_scatter(mask, packed)

    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Embeddings [B, embed_dim] and attention [T] of a ragged batch; here bag by bag, without padding."""
        embeddings, attentions = [], []
        for start, stop in batch.spans():
            coords = None if batch.coords is None else batch.coords[start:stop].unsqueeze(0)
            h = batch.features[start:stop].unsqueeze(0)
            embedding, attention = self.forward_features(h, None, coords, return_attention)
            embeddings.append(embedding)
            if attention is not None:
                attentions.append(attention.squeeze(0))
        return torch.cat(embeddings), torch.cat(attentions) if attentions else None
