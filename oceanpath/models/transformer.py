"""A transformer over the patches with 2-D ALiBi, as in TITAN.

    x ← x + W_o softmax( q kᵀ / √d − m_h · |p_q − p_k| ) v;  x ← x + FFN(x)        `layers` times

Attention scores decrease by slope · distance between two patches (Press, Smith and Lewis, "Train Short, Test Long",
ICLR 2022, in two dimensions as in Ding et al., "Multimodal Whole Slide Foundation Model for Pathology", 2024). Distance
is Euclidean, in `pitch` level-0 pixels, and 0 for the class token, whose final state is the slide embedding.
Without coordinates there is no bias, and the order of patches has no effect.

The returned attention is that of the class token over the patches in the last block, mean over heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from oceanpath.models.attention import SelfAttention, class_attention, streamed_tokens
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP
from oceanpath.models.settings import TransformerSettings


class Transformer(BaseMIL):
    """`settings.layers` exact attention blocks; time grows with N², memory with N."""

    reads_coords = True

    def __init__(self, settings: TransformerSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.pitch = settings.pitch
        self.patches = PatchMLP(settings, in_dim)
        self.slide = nn.Parameter(0.02 * torch.randn(1, 1, settings.hidden))
        blocks = [SelfAttention(settings.hidden, settings.heads, settings.dropout) for _ in range(settings.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(settings.hidden)

    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The class token after the last block, and its attention in that block."""
        hidden = self.by_rows(self.patches, h)
        x = torch.cat([self.slide.expand(hidden.shape[0], -1, -1).to(hidden.dtype), hidden], dim=1)
        tokens = None if mask is None else pad(mask, (1, 0), value=True)
        positions = None if coords is None else self._positions(coords, self.slide.dtype)
        for block in self.blocks:
            before = x
            x = self.checkpointed(block, x, tokens, positions)
        embedding = self.norm(x[:, 0])
        if not return_attention:
            return embedding, None
        last = self.blocks[-1]
        assert isinstance(last, SelfAttention)
        q, k, _ = last.split(before)
        return embedding, class_attention(q[:, :, :1], k[:, :, 1:], mask)

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """In blocks, in memory of 3 · hidden numbers per patch; the last block computes only the class token."""
        x = streamed_tokens(self.slide, self.patches, rows)
        positions = None if coords is None else self._positions(coords.unsqueeze(0), self.slide.dtype)
        attention = None
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, SelfAttention)
            last = number == len(self.blocks)
            attention = block.stream(x, positions, 1 if last else x.shape[1], last and return_attention)
        return self.norm(x[0, 0]), attention

    def _positions(self, coords: Tensor, dtype: torch.dtype) -> Tensor:
        origin = coords[:, :1]  # pixels are subtracted as integers: float32 would round large coordinates
        relative = pad((coords - origin).to(dtype) / self.pitch, (0, 1), value=1.0)
        return pad(relative, (0, 0, 1, 0))
