"""Perceiver: Jaegle et al., "Perceiver: General Perception with Iterative Attention", ICML 2021, section 3.

    z ← z + softmax( (W_q z) (W_k h)ᵀ / √d ) W_v h        cross-attention of the latents z to the patches h (a read)
    z ← z + FFN(z), then self-attention blocks over z     `layers` per read; the slide embedding is the mean of z

The cost of a read is N · latents. PRISM's slide encoder (Shaikovski et al. 2024) has eight reads with shared weights.
Unlike these papers, patches first pass `PatchMLP`, and keys are normalised. Optional 2-D Fourier features of the
patches' coordinates are added after a linear layer; they are relative to the smallest coordinates of the bag, so that
the position of the tissue in the scan has no effect.

The returned attention is that of the last read, mean over latents and heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.attention import FeedForward, SelfAttention, join_heads, split_heads
from oceanpath.models.base import BaseMIL
from oceanpath.models.fourier_coords import FourierCoords
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import PerceiverSettings
from oceanpath.models.streaming import RunningSoftmax

Read = Callable[[int, Tensor, bool], tuple[Tensor, Tensor | None]]
"""Number of the read, latents [B, L, C], whether to return attention → the latents' output [B, L, C], attention."""


class ReadLayers(NamedTuple):
    """The layers of one read."""

    query: nn.Module
    keys_values: nn.Module
    out: nn.Module
    ffn: nn.Module


def _read_layers(settings: PerceiverSettings) -> ReadLayers:
    width = settings.hidden
    return ReadLayers(
        nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False)),
        nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width, bias=False)),
        nn.Sequential(nn.Linear(width, width), nn.Dropout(settings.dropout)),
        FeedForward(width, settings.dropout, settings.expand, settings.gated),
    )


class Perceiver(BaseMIL):
    """`settings.latents` latents; `settings.reads` cross-attentions, each followed by `settings.layers` blocks."""

    def __init__(self, settings: PerceiverSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width, self.heads = settings.hidden, settings.read_heads or settings.heads
        self.reads, self.layers = settings.reads, settings.layers
        readers, runs = (min(2, self.reads), 1) if settings.shared else (self.reads, self.reads)
        self.patches = PatchMLP(settings, in_dim)
        self.places = FourierCoords(settings.bands, width) if settings.positions == "fourier" else None
        self.reads_coords = self.places is not None
        self.latents = nn.Parameter(0.02 * torch.randn(1, settings.latents, width))
        self.query, self.keys_values, self.out, self.ffn = _read_layers(settings)
        inside = (settings.heads, settings.dropout, settings.expand, settings.gated)
        self.blocks = nn.ModuleList(SelfAttention(width, *inside) for _ in range(runs * self.layers))
        self.norm = nn.LayerNorm(width)
        self.more = nn.ModuleList(nn.ModuleList(_read_layers(settings)) for _ in range(readers - 1))

    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The mean latent of padded bags, and the attention of the last read."""
        hidden = self.by_rows(self.patches, h)
        if coords is not None and self.places is not None:
            real_coords = (
                coords if mask is None else coords.masked_fill(~mask.unsqueeze(-1), torch.iinfo(coords.dtype).max)
            )
            hidden = hidden + self.places(coords - real_coords.amin(dim=1, keepdim=True))
        both = self._keys_values(hidden)

        def read(number: int, latents: Tensor, with_attention: bool) -> tuple[Tensor, Tensor | None]:
            return self._read(self._queries(number, latents), both(number), mask, with_attention)

        return self._refine_latents(self.latents.expand(hidden.shape[0], -1, -1), read, return_attention)

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """Layers compute all bags together; only the cross-attention is per bag."""
        hidden = self.by_rows(self.patches, batch.features.to(self.latents.dtype))
        if batch.coords is not None and self.places is not None:
            relative = [bag - bag.amin(dim=0) for bag in batch.split(batch.coords)]
            hidden = hidden + self.places(torch.cat(relative))
        both = self._keys_values(hidden)

        def read(number: int, latents: Tensor, with_attention: bool) -> tuple[Tensor, Tensor | None]:
            # before the first read the latents of all bags are the same
            queries = self._queries(number, latents if number else self.latents)
            bag_queries = torch.split(queries, 1) if number else [queries] * len(batch)
            bags = zip(bag_queries, batch.split(both(number)), strict=True)
            results = [self._read(query, patches[None], None, with_attention) for query, patches in bags]
            attention = [weights.squeeze(0) for _, weights in results if weights is not None]
            return torch.cat([mixed for mixed, _ in results]), torch.cat(attention) if attention else None

        return self._refine_latents(self.latents.expand(len(batch), -1, -1), read, return_attention)

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """In blocks, one pass per read and one more for attention, since all scores would be larger than the bag."""

        def read(number: int, latents: Tensor, with_attention: bool) -> tuple[Tensor, Tensor | None]:
            queries, running = self._queries(number, latents), RunningSoftmax()

            def score_block(block: slice) -> tuple[Tensor, Tensor]:
                return self._score_block(number, queries, rows[block], self._relative_coords(coords, block))

            for block in streaming.blocks(len(rows)):
                running.add(*score_block(block))
            mixed = join_heads(running.mean().to(self.latents.dtype))
            if not with_attention:
                return mixed, None
            scores = (score_block(block)[0] for block in streaming.blocks(len(rows)))
            return mixed, torch.cat([running.weights(part).mean(dim=(0, 1, 2)) for part in scores])

        embedding, weights = self._refine_latents(self.latents, read, return_attention)
        return embedding.squeeze(0), weights

    def _relative_coords(self, coords: Tensor | None, block: slice) -> Tensor | None:
        return None if coords is None or self.places is None else coords[block] - coords.amin(dim=0)

    def _score_block(self, number: int, queries: Tensor, rows: Tensor, coords: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores [1, heads, latents, n] and values [1, heads, n, d] of one block of a bag."""
        hidden = self.patches(rows.to(self.latents.dtype))
        if self.places is not None and coords is not None:
            hidden = hidden + self.places(coords)
        both = self._layers_of_read(number).keys_values(hidden[None])
        k, v = (split_heads(part, self.heads) for part in both.chunk(2, dim=-1))
        return widen(torch.matmul(queries, k.mT)) / math.sqrt(queries.shape[-1]), v

    def _layers_of_read(self, number: int) -> ReadLayers:
        """The layers of a read. Those of the first are attributes of the model, so that weights have plain names."""
        if number == 0 or not self.more:
            return ReadLayers(self.query, self.keys_values, self.out, self.ffn)
        more = self.more[min(number, len(self.more)) - 1]
        assert isinstance(more, nn.ModuleList)
        return ReadLayers(*more)

    def _keys_values(self, hidden: Tensor) -> Callable[[int], Tensor]:
        """A function: number of a read → keys and values of the patches, computed once per set of weights."""
        computed: dict[nn.Module, Tensor] = {}

        def both(number: int) -> Tensor:
            layer = self._layers_of_read(number).keys_values
            if layer not in computed:
                computed[layer] = self.by_rows(layer, hidden)
            return computed[layer]

        return both

    def _queries(self, number: int, latents: Tensor) -> Tensor:
        return split_heads(self._layers_of_read(number).query(latents), self.heads)

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

    def _refine_latents(self, x: Tensor, read: Read, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """The mean of latents x [B, L, C] after all reads, and the attention of the last read."""
        weights = None
        for number in range(self.reads):
            layers = self._layers_of_read(number)
            mixed, weights = read(number, x, return_attention and number == self.reads - 1)
            x = x + layers.out(mixed)
            x = x + self.checkpointed(layers.ffn, x)
            first = number * self.layers % len(self.blocks)
            for block in self.blocks[first : first + self.layers]:
                x = self.checkpointed(block, x)
        embedding: Tensor = self.norm(x).mean(dim=1)
        return embedding, weights
