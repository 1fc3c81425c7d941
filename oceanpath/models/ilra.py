"""ILRA: Xiang and Zhang, "Exploring Low-Rank Property in Multiple Instance Learning ...", ICLR 2023.

    L' = attention(L ← x)        x ← attention(x ← L')        per block, through `latents` learned vectors L (a read
                                                              and a write)
    e  = attention(s ← x)                                     non-local pooling by one learned vector s

    attention(q ← c) = LN(o + relu(W o)),  o = LN(W_q q + softmax(W_q q (W_k c)ᵀ / √d) W_v c)

In the blocks, the output is multiplied by SiLU(W_g q). The cost of a block is N · latents. Unlike in the paper, patches
first pass `PatchMLP`; its low-rank pretraining of patch features is not part of an aggregator.

The returned attention is that of the pooling, mean over heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention

from oceanpath.models import streaming
from oceanpath.models.attention import class_attention, join_heads, split_heads
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, widen
from oceanpath.models.settings import ILRASettings
from oceanpath.models.streaming import RunningSoftmax


class CrossAttention(nn.Module):
    """Attention of x [B, Q, C] to a context [B, N, C], with two norms and a linear layer: [B, Q, C]."""

    def __init__(self, width: int, heads: int, gated: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.keys_values = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.first_norm, self.out, self.last_norm = nn.LayerNorm(width), nn.Linear(width, width), nn.LayerNorm(width)
        self.gate = nn.Sequential(nn.Linear(width, width), nn.SiLU()) if gated else None

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """The output for x; `mask` [B, N] is True where the context is real."""
        k, v = self._keys_values(context)
        keys = None if mask is None else mask[:, None, None, :]
        return self._finish(x, scaled_dot_product_attention(self._queries(x), k, v, attn_mask=keys))

    def weights(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """Attention [B, N] of a single row x [B, 1, C], mean over heads."""
        return class_attention(self._queries(x), self._keys_values(context)[0], mask)

    def stream(self, x: Tensor, context: Tensor) -> Tensor:
        """At inference: the output for x [1, Q, C] and a context [1, N, C], which is read in blocks."""
        q, running = self._queries(x), RunningSoftmax()
        for block in streaming.blocks(context.shape[1]):
            k, v = self._keys_values(context[:, block])
            running.add(widen(q @ k.mT) / math.sqrt(q.shape[-1]), v)
        return self._finish(x, running.mean().to(x.dtype))

    def _queries(self, x: Tensor) -> Tensor:
        return split_heads(self.query(x), self.heads)

    def _keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        k, v = (split_heads(part, self.heads) for part in self.keys_values(context).chunk(2, dim=-1))
        return k, v

    def _finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        rows = self.first_norm(self.query(x) + join_heads(mixed))
        output: Tensor = self.last_norm(rows + relu(self.out(rows)))
        return output if self.gate is None else output * self.gate(x)


class LowRankBlock(nn.Module):
    """Patches [B, N, C] → [B, N, C] through learned vectors."""

    def __init__(self, settings: ILRASettings) -> None:
        super().__init__()
        width, heads = settings.hidden, settings.heads
        self.latents = nn.Parameter(torch.randn(1, settings.latents, width) / math.sqrt(width))
        self.read, self.write = CrossAttention(width, heads, gated=True), CrossAttention(width, heads, gated=True)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The patches after the block."""
        rows: Tensor = self.write(x, self.read(self.latents.expand(x.shape[0], -1, -1), x, mask))
        return rows

    def stream(self, x: Tensor) -> None:
        """At inference: replaces the patches x [1, N, C] of one bag, in blocks."""
        latents = self.read.stream(self.latents, x)
        for block in streaming.blocks(x.shape[1]):
            x[:, block] = self.write(x[:, block], latents)


class ILRA(BaseMIL):
    """`settings.layers` low-rank attention blocks, then attention pooling."""

    def __init__(self, settings: ILRASettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.patches = PatchMLP(settings, in_dim)
        self.blocks = nn.ModuleList(LowRankBlock(settings) for _ in range(settings.layers))
        self.slide = nn.Parameter(torch.randn(1, 1, settings.hidden) / math.sqrt(settings.hidden))
        self.pooling = CrossAttention(settings.hidden, settings.heads, gated=False)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # this attention ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The pooled patches after all blocks, and the attention of the pooling."""
        x = self.by_rows(self.patches, h)
        for block in self.blocks:
            x = self.checkpointed(block, x, mask)
        slide = self.slide.expand(x.shape[0], -1, -1)
        embedding = self.pooling(slide, x, mask).squeeze(1)
        return embedding, self.pooling.weights(slide, x, mask) if return_attention else None

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # this attention ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks, in memory of `hidden` numbers per patch."""
        x = streaming.in_blocks(len(rows), lambda block: self.patches(rows[block].to(self.slide.dtype)))[None]
        for block in self.blocks:
            assert isinstance(block, LowRankBlock)
            block.stream(x)
        embedding = self.pooling.stream(self.slide, x)[0, 0]
        return embedding, self.pooling.weights(self.slide, x, None)[0] if return_attention else None
