"""Mamba-2 in both directions over the patches: Dao and Gu, "Transformers are SSMs", ICML 2024, figure 6.

x ← x + dropout( Mamba2(LN x) + reverse(Mamba2'(reverse(LN x))) )        `layers` times; the recurrence is in `ssd`
z = Σ_k softmax_k(wᵀ x_k) x_k        as in MambaMIL (Yang, Wang and Chen, MICCAI 2024)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.mamba2 import Mamba2, ScanState
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.streaming import RunningSoftmax


class BiMamba(BaseMIL):
    """`settings.layers` pairs of Mamba-2 layers; bags are computed one by one, without padding."""

    ordered = True  # a recurrence reads its patches in stored order
    requires_packed = True

    def __init__(self, settings: BiMambaSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        width = settings.hidden
        self.patches = PatchMLP(settings, in_dim)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(settings.layers))
        self.ahead = nn.ModuleList(Mamba2(settings) for _ in range(settings.layers))
        self.back = nn.ModuleList(Mamba2(settings) for _ in range(settings.layers))
        self.dropout = nn.Dropout(settings.dropout)
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 1)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,  # noqa: ARG002  # `requires_packed`: there is none
        coords: Tensor | None,  # noqa: ARG002  # coordinates matter only by the order of the patches
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The weighted mean of the patches' final states, and the weights."""
        x = self.by_rows(self.patches, h)
        for layer in range(len(self.norms)):
            x = self.checkpointed(self._layer, layer, x)
        states = self.norm(x)
        weights = masked_softmax(self.score(states).squeeze(-1), None)
        embedding = torch.bmm(weights.to(states.dtype).unsqueeze(1), states).squeeze(1)
        return embedding, weights if return_attention else None

    def _layer(self, number: int, x: Tensor, ahead: ScanState | None = None, back: ScanState | None = None) -> Tensor:
        """One layer over tokens [B, n, C]; `ahead` and `back` are the states of its directions before them."""
        normed = self.norms[number](x)
        forward, _ = self._direction("ahead", number).step(normed, ahead)
        reverse, _ = self._direction("back", number).step(normed.flip(1), back)
        output: Tensor = x + self.dropout(forward + reverse.flip(1))
        return output

    def _direction(self, direction: str, number: int) -> Mamba2:
        layer = getattr(self, direction)[number]
        assert isinstance(layer, Mamba2)
        return layer

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # coordinates matter only by the order of the patches
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks. Per layer, only the states at block boundaries are stored.

        Each of 2 · layers + 1 passes recomputes the tokens of a block from its patches.
        """
        blocks = streaming.blocks(len(rows))
        edge_states: list[list[tuple[ScanState | None, ScanState | None]]] = []

        def tokens(block: int, layers: int) -> Tensor:
            x: Tensor = self.patches(rows[None, blocks[block]].to(self.score.weight.dtype))
            for number in range(layers):
                x = self._layer(number, x, *edge_states[number][block])
            return x

        for number in range(len(self.norms)):
            edge_states.append(self._edges(number, len(blocks), tokens))
        running, scores = RunningSoftmax(), []
        for block in range(len(blocks)):
            states = self.norm(tokens(block, len(self.norms)))
            scores.append(widen(self.score(states)).squeeze(-1))
            running.add(scores[-1], states.squeeze(0))
        attention = running.weights(torch.cat(scores, dim=1)).squeeze(0) if return_attention else None
        return running.mean().to(states.dtype).squeeze(0), attention

    def _edges(
        self, number: int, count: int, tokens: Callable[[int, int], Tensor]
    ) -> list[tuple[ScanState | None, ScanState | None]]:
        """States of both directions of a layer before each block."""
        ahead: list[ScanState | None] = [None]
        back: list[ScanState | None] = [None]
        for block in range(count - 1):
            normed = self.norms[number](tokens(block, number))
            ahead.append(self._direction("ahead", number).step(normed, ahead[-1])[1].copy())
        for block in reversed(range(1, count)):
            normed = self.norms[number](tokens(block, number)).flip(1)
            back.append(self._direction("back", number).step(normed, back[-1])[1].copy())
        return list(zip(ahead, reversed(back), strict=True))
