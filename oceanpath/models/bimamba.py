"""Mamba-2 in both directions over the patches: Dao and Gu, "Transformers are SSMs", ICML 2024, figure 6.

x → LayerNorm → Mamba-2 along the stored order + another against it → dropout → + x, `layers` times; then a mean of the
patches' states, weighted by a softmax of one linear score as in MambaMIL (Yang, Wang and Chen, MICCAI 2024). The
parameters of one direction have the names and shapes of ``mamba_ssm.Mamba2`` (one group), computed here in plain torch
on any device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.ssd import scan
from oceanpath.models.streaming import RunningSoftmax


class BiMamba(BaseMIL):
    """`settings.layers` pairs of Mamba-2 layers; bags are taken one by one, without padding."""

    ordered = True  # a recurrence reads its patches in stored order
    unpads = True

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
        mask: Tensor | None,  # noqa: ARG002  # `unpads`: there is none
        coords: Tensor | None,  # noqa: ARG002  # places count only by the order of the patches
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """The weighted mean of the patches' last states, and the weights."""
        x = self.by_rows(self.patches, h)
        for layer in range(len(self.norms)):
            x = self.again(self._layer, layer, x)
        states = self.norm(x)
        weights = masked_softmax(self.score(states).squeeze(-1), None)
        embedding = torch.bmm(weights.to(states.dtype).unsqueeze(1), states).squeeze(1)
        return embedding, weights if return_attention else None

    def _layer(self, number: int, x: Tensor, ahead: Memory | None = None, back: Memory | None = None) -> Tensor:
        """One layer over tokens [B, n, C]; `ahead` and `back` are what its directions know when they come to them."""
        normed = self.norms[number](x)
        forth, _ = self._one("ahead", number).step(normed, ahead)
        reverse, _ = self._one("back", number).step(normed.flip(1), back)
        done: Tensor = x + self.dropout(forth + reverse.flip(1))
        return done

    def _one(self, direction: str, number: int) -> Mamba2:
        layer = getattr(self, direction)[number]
        assert isinstance(layer, Mamba2)
        return layer

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # places count only by the order of the patches
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks. Of a layer only what its directions know at the edges of blocks is kept.

        The tokens of a block are computed again from its patches in every pass: 2 · layers passes.
        """
        blocks = streaming.blocks(len(rows))
        known: list[list[tuple[Memory | None, Memory | None]]] = []

        def tokens(block: int, layers: int) -> Tensor:
            x: Tensor = self.patches(rows[None, blocks[block]].to(self.score.weight.dtype))
            for number in range(layers):
                x = self._layer(number, x, *known[number][block])
            return x

        for number in range(len(self.norms)):
            known.append(self._edges(number, len(blocks), tokens))
        running, scores = RunningSoftmax(), []
        for block in range(len(blocks)):
            states = self.norm(tokens(block, len(self.norms)))
            scores.append(widen(self.score(states)).squeeze(-1))
            running.add(scores[-1], states.squeeze(0))
        attention = running.weights(torch.cat(scores, dim=1)).squeeze(0) if return_attention else None
        return running.mean().to(states.dtype).squeeze(0), attention

    def _edges(
        self, number: int, count: int, tokens: Callable[[int, int], Tensor]
    ) -> list[tuple[Memory | None, Memory | None]]:
        """What both directions of a layer know when they come to each block."""
        ahead: list[Memory | None] = [None]
        back: list[Memory | None] = [None]
        for block in range(count - 1):
            normed = self.norms[number](tokens(block, number))
            ahead.append(_kept(self._one("ahead", number).step(normed, ahead[-1])[1]))
        for block in reversed(range(1, count)):
            normed = self.norms[number](tokens(block, number)).flip(1)
            back.append(_kept(self._one("back", number).step(normed, back[-1])[1]))
        return list(zip(ahead, reversed(back), strict=True))


class Memory(NamedTuple):
    """What one direction of a layer knows of the tokens before."""

    inputs: Tensor
    """[B, mixed, kernel - 1], the last ones of the convolution."""
    state: Tensor
    """[B, heads, P, S], of the recurrence."""


def _kept(memory: Memory) -> Memory:
    """The same numbers in memory of their own: a view would keep all of its block."""
    return Memory(memory.inputs.clone(), memory.state.clone())


class Mamba2(nn.Module):
    """One direction: [B, L, C] → [B, L, C]."""

    def __init__(self, settings: BiMambaSettings) -> None:
        super().__init__()
        inner = settings.hidden * settings.expand
        self.inner, self.state, self.head, self.chunk = inner, settings.state, settings.head, settings.chunk
        heads, mixed = inner // settings.head, inner + 2 * settings.state
        self.in_proj = nn.Linear(settings.hidden, inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, settings.kernel, groups=mixed)
        # the authors' start: Δ log-uniform in [0.001, 0.1], kept as the inverse of softplus; −A uniform in [1, 16]
        step = torch.exp(torch.rand(heads) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, settings.hidden, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """The sequence after convolution, scan and gate."""
        return self.step(h, None)[0]

    def step(self, h: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """`forward` of tokens that follow those of `memory` (None = nothing), and what is known after them."""
        sizes = [self.inner, self.inner + 2 * self.state, len(self.D)]
        gate, mixed, steps = torch.split(self.in_proj(h), sizes, dim=-1)
        reach = self.conv1d.kernel_size[0] - 1
        mixed = mixed.transpose(1, 2)
        causal = pad(mixed, (reach, 0)) if memory is None else torch.cat([memory.inputs, mixed], dim=2)
        mixed = silu(self.conv1d(causal)).transpose(1, 2)
        y, state = self._scan(mixed, steps, None if memory is None else memory.state)
        out: Tensor = self.out_proj(self.norm(y * silu(gate)))
        return out, Memory(causal[:, :, causal.shape[2] - reach :], state)

    def _scan(self, mixed: Tensor, steps: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
        """The recurrence in float32 (float64 for a float64 model), without autocast."""
        if torch.is_autocast_enabled(mixed.device.type):
            with torch.autocast(mixed.device.type, enabled=False):
                return self._scan(mixed, steps, start)
        x, b, c = torch.split(widen(mixed), [self.inner, self.state, self.state], dim=-1)
        heads = x.reshape(*x.shape[:-1], self.inner // self.head, self.head)
        steps = softplus(widen(steps) + self.dt_bias)
        y, state = scan(heads * steps.unsqueeze(-1), -steps * self.A_log.exp(), b, c, self.chunk, start)
        return (y + heads * self.D.unsqueeze(-1)).flatten(2), state
