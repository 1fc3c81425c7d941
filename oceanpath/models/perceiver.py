"""Latents that read a slide: Jaegle et al., "Perceiver: General Perception with Iterative Attention", ICML 2021.

A few learned latents attend to all patches once (cross-attention, cost N · latents), then to each other; their mean is
the slide, as in PRISM (Shaikovski et al. 2024). Optional 2-D Fourier features of the patches' places are added after a
linear layer; they count from the smallest coordinates of the bag, so where the slide lies in its scan does not matter.

The attention that is returned is that of the cross-attention, mean over latents and heads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.attend import FeedForward, SelfAttention, join_heads, split_heads
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import PerceiverSettings
from oceanpath.models.streaming import RunningSoftmax

WAVES = (512.0, 100_000.0)
"""Shortest and longest wavelength of the Fourier features, in level-0 pixels."""


class FourierPlaces(nn.Module):
    """Level-0 coordinates [..., 2] → [..., width]: sine and cosine at log-spaced wavelengths, then one linear layer."""

    turns: Tensor

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        waves = torch.logspace(math.log10(WAVES[0]), math.log10(WAVES[1]), bands)
        self.register_buffer("turns", 2 * math.pi / waves, persistent=False)
        self.linear = nn.Linear(4 * bands, width)

    def forward(self, places: Tensor) -> Tensor:
        """Features of pixels counted from the bag's smallest corner."""
        angles = (places.to(self.linear.weight.dtype).unsqueeze(-1) * self.turns).flatten(-2)
        features: Tensor = self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return features


class Perceiver(BaseMIL):
    """`settings.latents` latents, one cross-attention and `settings.layers` self-attention blocks."""

    def __init__(self, settings: PerceiverSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width, self.heads = settings.hidden, settings.heads
        self.patches = PatchMLP(settings, in_dim)
        self.places = FourierPlaces(settings.bands, width) if settings.positions == "fourier" else None
        self.latents = nn.Parameter(0.02 * torch.randn(1, settings.latents, width))
        self.query = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))
        self.keys_values = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width, bias=False))
        self.out = nn.Sequential(nn.Linear(width, width), nn.Dropout(settings.dropout))
        self.ffn = FeedForward(width, settings.dropout)
        blocks = [SelfAttention(width, settings.heads, settings.dropout) for _ in range(settings.layers)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)

    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The mean latent of padded bags, and what the latents read."""
        hidden = self.by_rows(self.patches, h)
        if coords is not None and self.places is not None:
            far = coords if mask is None else coords.masked_fill(~mask.unsqueeze(-1), torch.iinfo(coords.dtype).max)
            hidden = hidden + self.places(coords - far.amin(dim=1, keepdim=True))
        latents = self.latents.expand(hidden.shape[0], -1, -1)
        read, weights = self._read(
            self._queries(latents), self.by_rows(self.keys_values, hidden), mask, return_attention
        )
        return self._think(latents, read), weights

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """Patches of all bags together, cross-attention by bag, latents of all bags together."""
        latents = self.latents.expand(len(batch), -1, -1)
        hidden = self.by_rows(self.patches, batch.features.to(self.latents.dtype))
        if batch.coords is not None and self.places is not None:
            moved = [one - one.amin(dim=0) for one in batch.split(batch.coords)]
            hidden = hidden + self.places(torch.cat(moved))
        both = self.by_rows(self.keys_values, hidden)
        queries = self._queries(self.latents)
        read = [self._read(queries, one[None], None, return_attention) for one in batch.split(both)]
        embedding = self._think(latents, torch.cat([mixed for mixed, _ in read]))
        seen = [weights.squeeze(0) for _, weights in read if weights is not None]
        return embedding, torch.cat(seen) if seen else None

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """In blocks; attention takes a second pass, for its scores of all latents are larger than the bag."""
        queries, running = self._queries(self.latents), RunningSoftmax()
        for block in streaming.blocks(len(rows)):
            running.add(*self._score_block(queries, rows, coords, block))
        read = join_heads(running.mean().to(self.latents.dtype))
        embedding = self._think(self.latents, read).squeeze(0)
        if not return_attention:
            return embedding, None
        scores = (self._score_block(queries, rows, coords, block)[0] for block in streaming.blocks(len(rows)))
        return embedding, torch.cat([running.weights(one).mean(dim=(0, 1, 2)) for one in scores])

    def _score_block(self, queries: Tensor, rows: Tensor, coords: Tensor | None, block: slice) -> tuple[Tensor, Tensor]:
        """Scores [1, heads, latents, n] and values [1, heads, n, d] of one block of a bag."""
        hidden = self.patches(rows[block].to(self.latents.dtype))
        if self.places is not None and coords is not None:
            hidden = hidden + self.places(coords[block] - coords.amin(dim=0))
        k, v = (split_heads(part, self.heads) for part in self.keys_values(hidden[None]).chunk(2, dim=-1))
        return widen(torch.matmul(queries, k.mT)) / math.sqrt(queries.shape[-1]), v

    def _queries(self, latents: Tensor) -> Tensor:
        return split_heads(self.query(latents), self.heads)

    def _read(
        self, q: Tensor, both: Tensor, mask: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        k, v = (split_heads(part, self.heads) for part in both.chunk(2, dim=-1))
        keys = None if mask is None else mask[:, None, None, :]
        mixed = join_heads(scaled_dot_product_attention(q, k, v, attn_mask=keys))
        if not return_attention:
            return mixed, None
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        return mixed, masked_softmax(scores, keys).mean(dim=(1, 2))

    def _think(self, latents: Tensor, read: Tensor) -> Tensor:
        x = latents + self.out(read)
        x = x + self.again(self.ffn, x)
        for block in self.blocks:
            x = self.again(block, x)
        embedding: Tensor = self.norm(x).mean(dim=1)
        return embedding
