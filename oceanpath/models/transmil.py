"""TransMIL: Shao et al., "TransMIL: Transformer based Correlated Multiple Instance Learning", NeurIPS 2021.

    [class token, patches] → x + Nyström(LN x) → PPEG → x + Nyström(LN x) … → LN(class token)

Unlike in the authors' code, no patch is repeated as a token: see `ppeg`. The returned attention is the exact softmax
attention of the class token in the last block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models.attention import streamed_tokens
from oceanpath.models.base import BaseMIL
from oceanpath.models.nystrom import NystromAttention
from oceanpath.models.patches import PatchMLP
from oceanpath.models.ppeg import PPEG
from oceanpath.models.settings import TransMILSettings


class TransMIL(BaseMIL):
    """Nyström attention blocks with PPEG after the first; bags are computed one by one, without padding."""

    ordered = True  # landmarks are means of consecutive patches, and the square layout is in stored order
    requires_packed = True
    reads_coords = True

    def __init__(self, settings: TransMILSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width = settings.hidden
        self.patches = PatchMLP(settings, in_dim)
        self.slide = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(settings.layers))
        self.blocks = nn.ModuleList(
            NystromAttention(width, settings.heads, settings.landmarks, settings.iterations, settings.dropout)
            for _ in range(settings.layers)
        )
        self.ppeg = PPEG(width)
        self.norm = nn.LayerNorm(width)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,  # noqa: ARG002  # `requires_packed`: there is none
        coords: Tensor | None,
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The class token after the last block, and its exact attention in that block."""
        hidden = self.by_rows(self.patches, h)
        x = torch.cat([self.slide.expand(hidden.shape[0], -1, -1).to(hidden.dtype), hidden], dim=1)
        attention = None
        for number, (norm, block) in enumerate(zip(self.norms, self.blocks, strict=True)):
            if number == 1:
                x = torch.cat([x[:, :1], self.checkpointed(self.ppeg, x[:, 1:], coords)], dim=1)
            normed = norm(x)
            if return_attention and number == len(self.blocks) - 1:
                assert isinstance(block, NystromAttention)
                attention = block.first_attention(normed)
            x = x + self.checkpointed(block, normed)
        return self.norm(x[:, 0]), attention

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """In blocks, in memory of `hidden` numbers per patch; the last block computes only the class token."""
        x = streamed_tokens(self.slide, self.patches, rows)
        attention = None
        for number, (norm, block) in enumerate(zip(self.norms, self.blocks, strict=True), start=1):
            assert isinstance(block, NystromAttention)
            if number == 2:
                self.ppeg.stream(x[0, 1:], coords)
            last = number == len(self.blocks)
            attention = block.stream(x, norm, 1 if last else x.shape[1], last and return_attention)
        return self.norm(x[0, 0]), attention
