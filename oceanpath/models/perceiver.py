"""Latents that read a slide: Jaegle et al., "Perceiver: General Perception with Iterative Attention", ICML 2021.

A few learned latents attend to all patches (a read: cross-attention, cost N · latents), then to each other, once or
several times; their mean is the slide. PRISM's slide encoder (Shaikovski et al. 2024) reads eight times with weights
that are shared; here too patches first pass `PatchMLP`, and keys are normed. Optional 2-D Fourier features of the
patches' places are added after a linear layer; they count from the smallest coordinates of the bag, so where the slide
lies in its scan does not matter.

The attention that is returned is that of the last read, mean over latents and heads.
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
"""Number of the read, latents [B, L, C] and whether attention is wanted → what the latents [B, L, C] see, attention."""


class Reader(NamedTuple):
    """The layers of one read."""

    query: nn.Module
    keys_values: nn.Module
    out: nn.Module
    ffn: nn.Module


def _reader(settings: PerceiverSettings) -> Reader:
    width = settings.hidden
    return Reader(
        nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False)),
        nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width, bias=False)),
        nn.Sequential(nn.Linear(width, width), nn.Dropout(settings.dropout)),
        FeedForward(width, settings.dropout, settings.expand, settings.gated),
    )


class Perceiver(BaseMIL):
    """`settings.latents` latents; `settings.reads` times a cross-attention and `settings.layers` blocks behind it."""

    def __init__(self, settings: PerceiverSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width, self.heads = settings.hidden, settings.read_heads or settings.heads
        self.reads, self.layers = settings.reads, settings.layers
        readers, runs = (min(2, self.reads), 1) if settings.shared else (self.reads, self.reads)
        self.patches = PatchMLP(settings, in_dim)
        self.places = FourierCoords(settings.bands, width) if settings.positions == "fourier" else None
        self.reads_coords = self.places is not None
        self.latents = nn.Parameter(0.02 * torch.randn(1, settings.latents, width))
        self.query, self.keys_values, self.out, self.ffn = _reader(settings)
        inside = (settings.heads, settings.dropout, settings.expand, settings.gated)
        self.blocks = nn.ModuleList(SelfAttention(width, *inside) for _ in range(runs * self.layers))
        self.norm = nn.LayerNorm(width)
        self.more = nn.ModuleList(nn.ModuleList(_reader(settings)) for _ in range(readers - 1))

    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The mean latent of padded bags, and what the latents read."""
        hidden = self.by_rows(self.patches, h)
        if coords is not None and self.places is not None:
            far = coords if mask is None else coords.masked_fill(~mask.unsqueeze(-1), torch.iinfo(coords.dtype).max)
            hidden = hidden + self.places(coords - far.amin(dim=1, keepdim=True))
        both = self._keys_values(hidden)

        def read(number: int, latents: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            return self._read(self._queries(number, latents), both(number), mask, wanted)

        return self._think(self.latents.expand(hidden.shape[0], -1, -1), read, return_attention)

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """Patches of all bags together, cross-attention by bag, latents of all bags together."""
        hidden = self.by_rows(self.patches, batch.features.to(self.latents.dtype))
        if batch.coords is not None and self.places is not None:
            moved = [one - one.amin(dim=0) for one in batch.split(batch.coords)]
            hidden = hidden + self.places(torch.cat(moved))
        both = self._keys_values(hidden)

        def read(number: int, latents: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            # before the first read the latents of all bags are the same
            queries = self._queries(number, latents if number else self.latents)
            each = torch.split(queries, 1) if number else [queries] * len(batch)
            bags = zip(each, batch.split(both(number)), strict=True)
            found = [self._read(one, patches[None], None, wanted) for one, patches in bags]
            seen = [weights.squeeze(0) for _, weights in found if weights is not None]
            return torch.cat([mixed for mixed, _ in found]), torch.cat(seen) if seen else None

        return self._think(self.latents.expand(len(batch), -1, -1), read, return_attention)

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """In blocks, one pass a read; attention takes one more: scores of all latents are larger than the bag."""

        def read(number: int, latents: Tensor, wanted: bool) -> tuple[Tensor, Tensor | None]:
            queries, running = self._queries(number, latents), RunningSoftmax()

            def scored(block: slice) -> tuple[Tensor, Tensor]:
                return self._score_block(number, queries, rows[block], self._moved(coords, block))

            for block in streaming.blocks(len(rows)):
                running.add(*scored(block))
            mixed = join_heads(running.mean().to(self.latents.dtype))
            if not wanted:
                return mixed, None
            scores = (scored(block)[0] for block in streaming.blocks(len(rows)))
            return mixed, torch.cat([running.weights(one).mean(dim=(0, 1, 2)) for one in scores])

        embedding, weights = self._think(self.latents, read, return_attention)
        return embedding.squeeze(0), weights

    def _moved(self, coords: Tensor | None, block: slice) -> Tensor | None:
        return None if coords is None or self.places is None else coords[block] - coords.amin(dim=0)

    def _score_block(self, number: int, queries: Tensor, rows: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores [1, heads, latents, n] and values [1, heads, n, d] of one block of a bag."""
        hidden = self.patches(rows.to(self.latents.dtype))
        if self.places is not None and places is not None:
            hidden = hidden + self.places(places)
        both = self._layers_of(number).keys_values(hidden[None])
        k, v = (split_heads(part, self.heads) for part in both.chunk(2, dim=-1))
        return widen(torch.matmul(queries, k.mT)) / math.sqrt(queries.shape[-1]), v

    def _layers_of(self, number: int) -> Reader:
        """The layers of a read; the first one's are the model's own: weights of a single read have plain names."""
        if number == 0 or not self.more:
            return Reader(self.query, self.keys_values, self.out, self.ffn)
        more = self.more[min(number, len(self.more)) - 1]
        assert isinstance(more, nn.ModuleList)
        return Reader(*more)

    def _keys_values(self, hidden: Tensor) -> Callable[[int], Tensor]:
        """Number of a read → keys and values of the patches; reads that share weights share them."""
        made: dict[nn.Module, Tensor] = {}

        def both(number: int) -> Tensor:
            layer = self._layers_of(number).keys_values
            if layer not in made:
                made[layer] = self.by_rows(layer, hidden)
            return made[layer]

        return both

    def _queries(self, number: int, latents: Tensor) -> Tensor:
        return split_heads(self._layers_of(number).query(latents), self.heads)

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

    def _think(self, x: Tensor, read: Read, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """The mean of latents x [B, L, C] after all reads, and the attention of the last one."""
        weights = None
        for number in range(self.reads):
            layers = self._layers_of(number)
            mixed, weights = read(number, x, return_attention and number == self.reads - 1)
            x = x + layers.out(mixed)
            x = x + self.checkpointed(layers.ffn, x)
            first = number * self.layers % len(self.blocks)
            for block in self.blocks[first : first + self.layers]:
                x = self.checkpointed(block, x)
        embedding: Tensor = self.norm(x).mean(dim=1)
        return embedding, weights
