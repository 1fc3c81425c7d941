"""Shared parts of attention architectures: heads, feed-forward layers, and exact 2-D ALiBi over blocks of queries.

softmax( q kᵀ / √d − m_h · |p_q − p_k| ) v        m_h = 2^(−8 h / H): Press, Smith and Lewis, ICLR 2022, section 3
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from oceanpath.models import streaming
from oceanpath.models.checkpointed import checkpointed
from oceanpath.models.lengths import exporting
from oceanpath.models.patches import masked_softmax

QUERIES, SCORES = 1024, 1 << 24
"""Maximum number of queries per block, and of elements of their bias: they bound memory."""


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, N, C] → [B, heads, N, C / heads]."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, heads, N, d] → [B, N, heads · d]."""
    return x.transpose(1, 2).flatten(2)


def streamed_tokens(first: Tensor, patches: nn.Module, rows: Tensor) -> Tensor:
    """At inference: the token `first` [1, 1, C] followed by ``patches(rows)``, computed in blocks: [1, 1 + n, C]."""

    def block(part: slice) -> Tensor:
        before = [first[0]] if part.start == 0 else []
        return torch.cat([*before, patches(rows[max(0, part.start - 1) : part.stop - 1].to(first.dtype))])

    return streaming.in_blocks(len(rows) + 1, block).unsqueeze(0)


class GatedGELU(nn.Module):
    """[..., 2 C] → [..., C]: one half times the GELU of the other (Shazeer, "GLU Variants", 2020)."""

    def forward(self, x: Tensor) -> Tensor:
        """The gated half."""
        half, gate = x.chunk(2, dim=-1)
        return half * gelu(gate)


class FeedForward(nn.Sequential):
    """LayerNorm → Linear × `expand` → GELU or gated GELU → dropout → Linear → dropout; the caller adds the residual."""

    def __init__(self, width: int, dropout: float, expand: int = 4, gated: bool = False) -> None:
        inner = expand * width
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * inner if gated else inner),
            GatedGELU() if gated else nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(inner, width),
            nn.Dropout(dropout),
        )


class SelfAttention(nn.Module):
    """Pre-norm multi-head attention and feed-forward, both with residuals: [B, N, C] → [B, N, C]."""

    def __init__(self, width: int, heads: int, dropout: float, expand: int = 4, gated: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.ffn = FeedForward(width, dropout, expand, gated)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [B, heads, N, C / heads]."""
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        return split_heads(q, self.heads), split_heads(k, self.heads), split_heads(v, self.heads)

    def forward(self, x: Tensor, mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """Attention over the real tokens.

        Args:
            x: [B, N, C].
            mask: [B, N] bool, True where a token is real; None = all are.
            positions: [B, N, 3], x and y in pitches, and 1 for a token with a position, otherwise 0; None = no bias.
        """
        q, k, v = self.split(x)
        x = x + self.out(join_heads(_attend(q, k, v, mask, positions)))
        output: Tensor = x + self.ffn(x)
        return output

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B, heads, N, C / heads] of the tokens [1, N, C] of one bag, computed in blocks."""
        weight = self.qkv.weight[x.shape[-1] :]
        both = streaming.in_blocks(x.shape[1], lambda block: linear(self.norm(x[0, block]), weight))
        k, v = both.unsqueeze(0).chunk(2, dim=-1)
        return split_heads(k, self.heads), split_heads(v, self.heads)

    def queries(self, x: Tensor) -> Tensor:
        """[B, heads, N, C / heads]."""
        return split_heads(linear(self.norm(x), self.qkv.weight[: x.shape[-1]]), self.heads)

    def stream(self, x: Tensor, positions: Tensor | None, needed: int, return_attention: bool) -> Tensor | None:
        """At inference: replaces the first `needed` of the tokens x [1, N, C] by their outputs, block by block.

        Besides the tokens only their keys and values are stored. `positions` as in `forward`.

        Returns: Attention of the first token over the others [N - 1], if requested.
        """
        k, v = self.keys_values(x)
        attention = class_attention(self.queries(x[:, :1]), k[:, :, 1:], None)[0] if return_attention else None
        for block in streaming.blocks(needed):
            part = x[:, block]
            query_positions = None if positions is None else positions[:, block]
            part = part + self.out(join_heads(_attend(self.queries(part), k, v, None, positions, query_positions)))
            x[:, block] = part + self.ffn(part)
        return attention


def class_attention(query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    """Attention [B, N] of one query [B, heads, 1, d] over keys [B, heads, N, d], mean over heads."""
    scores = torch.matmul(query, keys.transpose(-1, -2)).squeeze(2) / math.sqrt(query.shape[-1])
    return masked_softmax(scores, None if mask is None else mask.unsqueeze(1)).mean(dim=1)


def alibi_slopes(heads: int, like: Tensor) -> Tensor:
    """2^(−8 h / H) for h = 1 … H (Press, Smith and Lewis 2022, section 3), [H]."""
    return torch.exp2(-8.0 * torch.arange(1, heads + 1, device=like.device, dtype=like.dtype) / heads)


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    key_positions: Tensor | None,
    query_positions: Tensor | None = None,
) -> Tensor:
    """Attention; with positions, −slope · distance is added to the scores.

    With positions, blocks of queries are recomputed in the backward pass.
    """
    if key_positions is None:
        return scaled_dot_product_attention(q, k, v, attn_mask=None if mask is None else mask[:, None, None, :])
    if exporting() and mask is None:
        return _alibi_by_heads(q, k, v, key_positions)
    query_positions = key_positions if query_positions is None else query_positions
    size = max(1, min(QUERIES, SCORES // (q.shape[1] * k.shape[2])))
    parts = []
    for start in range(0, q.shape[2], size):
        block = (q[:, :, start : start + size], k, v, mask, query_positions[:, start : start + size], key_positions)
        parts.append(checkpointed(True, _alibi_attention, *block))
    return torch.cat(parts, dim=2)


def _alibi_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, query_positions: Tensor, key_positions: Tensor
) -> Tensor:
    distance = torch.hypot(
        query_positions[:, :, None, 0] - key_positions[:, None, :, 0],
        query_positions[:, :, None, 1] - key_positions[:, None, :, 1],
    )
    distance = distance * query_positions[:, :, None, 2] * key_positions[:, None, :, 2]
    bias = -alibi_slopes(q.shape[1], distance)[:, None, None] * distance[:, None]
    if mask is not None:
        bias = bias.masked_fill(~mask[:, None, None, :], float("-inf"))
    return scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))


def _alibi_by_heads(q: Tensor, k: Tensor, v: Tensor, positions: Tensor) -> Tensor:
    """`_alibi_attention` for exported graphs: one head at a time, because the number of blocks would be fixed.

    ONNX has no hypot; the squares of distances in pitches do not overflow.
    """
    x, y, has_position = positions.unbind(dim=2)
    distance = torch.sqrt((x[:, :, None] - x[:, None]).square() + (y[:, :, None] - y[:, None]).square())
    distance = distance * has_position[:, :, None] * has_position[:, None]
    slopes = alibi_slopes(q.shape[1], distance).unbind()
    heads = zip(q.unbind(dim=1), k.unbind(dim=1), v.unbind(dim=1), slopes, strict=True)
    scale = 1.0 / math.sqrt(q.shape[-1])
    mixed = [
        torch.matmul(torch.softmax(torch.matmul(queries, keys.mT) * scale - slope * distance, dim=-1), values)
        for queries, keys, values, slope in heads
    ]
    return torch.stack(mixed, dim=1)
