"""Dual-stream MIL: Li, Li and Eliceiri, "Dual-stream Multiple Instance Learning Network", CVPR 2021.

    m     = argmax_k  w_c·h_k                         the critical patch of stream 1, equation 4
    a_k   = softmax_k ⟨W_q h_k, W_q h_m⟩ / √Q         equation 6
    b     = Σ_k a_k W_v h_k                           equation 5

The embedding is b of every critical patch and the maximum scores of stream 1. The paper averages the scores of both
streams; in this implementation the linear layer of the classifier weights them. The scaling 1/√Q follows the authors'
code.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import DSMILSettings
from oceanpath.models.streaming import RunningSoftmax


class DSMIL(BaseMIL):
    """Attention by similarity to `settings.critical` critical patches; embedding width critical × (hidden + 1)."""

    def __init__(self, settings: DSMILSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.critical * (settings.hidden + 1))
        self.patches = PatchMLP(settings, in_dim)
        self.instance = nn.Linear(settings.hidden, settings.critical)
        self.query = nn.Linear(settings.hidden, settings.query)
        self.value = nn.Linear(settings.hidden, settings.hidden)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # similarity ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Both streams of padded bags, and the mean attention over critical patches."""
        hidden = self.by_rows(self.patches, h)
        embedding, weights = _pool_streams(self.instance(hidden), self.query(hidden), self.value(hidden), mask)
        return embedding, weights.mean(dim=1) if return_attention else None

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """As `forward_features`; layers compute all rows together, attention is per bag."""
        hidden = self.by_rows(self.patches, batch.features.to(self.instance.weight.dtype))
        parts = [batch.split(layer(hidden)) for layer in (self.instance, self.query, self.value)]
        pooled = [_pool_streams(s[None], q[None], v[None], None) for s, q, v in zip(*parts, strict=True)]
        embedding = torch.cat([part for part, _ in pooled])
        return embedding, torch.cat([w.mean(dim=1)[0] for _, w in pooled]) if return_attention else None

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # similarity ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In two passes of blocks: the critical patches, then the similarity to them."""
        blocks = streaming.blocks(len(rows))

        def hidden(block: slice) -> Tensor:
            patches: Tensor = self.patches(rows[block].to(self.instance.weight.dtype))
            return patches

        tops, top_queries = [], []
        for block in blocks:
            patches = hidden(block)
            top, index = self.instance(patches).max(dim=0)
            tops.append(top)
            top_queries.append(self.query(patches.index_select(0, index)))
        top, winner = torch.stack(tops).max(dim=0)
        critical = torch.stack(top_queries)[winner, torch.arange(len(winner), device=winner.device)]
        running, scores = RunningSoftmax(), []
        for block in blocks:
            patches = hidden(block)
            scores.append(widen(critical @ self.query(patches).T / math.sqrt(critical.shape[-1])))
            running.add(scores[-1], self.value(patches))
        embedding = torch.cat([running.mean().to(top.dtype).flatten(), top])
        return embedding, running.weights(torch.cat(scores, dim=1)).mean(dim=0) if return_attention else None

    def contributions(self, rows: Tensor, head: nn.Linear) -> Tensor:
        """The weighted values of stream 2, and the maximum scores of stream 1 of the patches that have them."""
        hidden = self.patches(rows.to(self.instance.weight.dtype))
        scores, values = self.instance(hidden), self.value(hidden)
        _, weights = _pool_streams(scores[None], self.query(hidden)[None], values[None], None)
        shares = weights[0].T.to(values.dtype)
        critical = torch.zeros_like(scores).scatter(0, scores.argmax(dim=0, keepdim=True), 1.0)
        parts = torch.cat([(shares.unsqueeze(-1) * values.unsqueeze(1)).flatten(1), critical * scores], dim=1)
        return linear(parts, head.weight) + shares.mean(dim=1, keepdim=True) * head.bias


def _pool_streams(scores: Tensor, queries: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Embedding [B, C·(E + 1)] and weights [B, C, N] of scores [B, N, C], queries [B, N, Q] and values [B, N, E]."""
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(-1), float("-inf"))
    top, index = scores.max(dim=1)
    critical = queries.gather(1, index.unsqueeze(-1).expand(-1, -1, queries.shape[-1]))
    similarity = torch.bmm(critical, queries.transpose(1, 2)) / math.sqrt(queries.shape[-1])
    weights = masked_softmax(similarity, None if mask is None else mask.unsqueeze(1))
    bag = torch.bmm(weights.to(values.dtype), values)
    return torch.cat([bag.flatten(1), top], dim=1), weights
