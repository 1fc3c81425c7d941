"""The pieces that attention architectures share: heads, feed-forward, and exact 2-D ALiBi over blocks of queries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

QUERIES = 1024
"""Queries whose bias exists at once: memory grows with N, not with N²."""


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, N, C] → [B, heads, N, C / heads]."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, heads, N, d] → [B, N, heads · d]."""
    return x.transpose(1, 2).flatten(2)


class FeedForward(nn.Sequential):
    """LayerNorm → Linear ×4 → GELU → dropout → Linear → dropout; the caller adds the residual."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )


class SelfAttention(nn.Module):
    """Pre-norm multi-head attention and feed-forward, both with residuals: [B, N, C] → [B, N, C]."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.ffn = FeedForward(width, dropout)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, heads, N, C / heads]."""
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        return split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads)

    def forward(self, x: Tensor, mask: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """Attention over the real tokens.

        Args:
            x: [B, N, C].
            mask: [B, N] bool, True where a token is real; None = all are.
            places: [B, N, 3], x and y in pitches and 1 for a token that has a place, else 0; None = no bias.
        """
        q, k, v = self.split(x)
        if places is None:
            keys = None if mask is None else mask[:, None, None, :]
            mixed = scaled_dot_product_attention(q, k, v, attn_mask=keys)
        else:
            mixed = _near(q, k, v, mask, places)
        x = x + self.out(join_heads(mixed))
        done: Tensor = x + self.ffn(x)
        return done


def alibi_slopes(heads: int, like: Tensor) -> Tensor:
    """2^(−8 h / H) for h = 1 … H (Press, Smith and Lewis 2022, section 3), [H]."""
    return torch.exp2(-8.0 * torch.arange(1, heads + 1, device=like.device, dtype=like.dtype) / heads)


def _near(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, places: Tensor) -> Tensor:
    """Attention with −slope · distance added to the scores; blocks of queries, recomputed in the backward pass."""
    parts = []
    for start in range(0, q.shape[2], QUERIES):
        block = (q[:, :, start : start + QUERIES], k, v, mask, places[:, start : start + QUERIES], places)
        parts.append(checkpoint(_near_block, *block, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(parts, dim=2)


def _near_block(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, here: Tensor, there: Tensor) -> Tensor:
    apart = torch.hypot(
        here[:, :, None, 0] - there[:, None, :, 0],
        here[:, :, None, 1] - there[:, None, :, 1],
    )
    apart = apart * here[:, :, None, 2] * there[:, None, :, 2]
    bias = -alibi_slopes(q.shape[1], apart)[:, None, None] * apart[:, None]
    if mask is not None:
        bias = bias.masked_fill(~mask[:, None, None, :], float("-inf"))
    return scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
