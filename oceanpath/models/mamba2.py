"""One direction of Mamba-2: Dao and Gu, "Transformers are SSMs", ICML 2024, figure 6.

    gate, x, B, C, Δ = in_proj(u)        x, B, C ← silu(conv1d(x, B, C))        y = SSD(x, Δ, A, B, C) + D x
    out_proj(RMSNorm(y ⊙ silu(gate)))

Parameters have the names and shapes of ``mamba_ssm.Mamba2`` (one group), for both implementations: the kernels of that
package on CUDA (`mamba_kernels`), and plain torch on any device (`ssd`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from oceanpath.models import mamba_kernels
from oceanpath.models.patches import widen
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.ssd import scan


class ScanState(NamedTuple):
    """State of one direction of a layer after the preceding tokens."""

    inputs: Tensor
    """[B, mixed, kernel - 1], the last inputs of the convolution."""
    state: Tensor
    """[B, heads, P, S], of the recurrence."""

    def copy(self) -> ScanState:
        """A copy, because a view would keep the whole block in memory."""
        return ScanState(self.inputs.clone(), self.state.clone())


class Mamba2(nn.Module):
    """One direction: [B, L, C] → [B, L, C]."""

    def __init__(self, settings: BiMambaSettings) -> None:
        super().__init__()
        inner = settings.hidden * settings.expand
        self.inner, self.state, self.head, self.chunk = inner, settings.state, settings.head, settings.chunk
        self.kernels = settings.kernels
        heads, mixed = inner // settings.head, inner + 2 * settings.state
        self.in_proj = nn.Linear(settings.hidden, inner + mixed + heads, bias=False)
        self.conv1d = nn.Conv1d(mixed, mixed, settings.kernel, groups=mixed)
        # initial values as published: Δ log-uniform in [0.001, 0.1], as the inverse of softplus; −A uniform in [1, 16]
        step = torch.exp(torch.rand(heads) * (math.log(0.1) - math.log(0.001)) + math.log(0.001))
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, settings.hidden, bias=False)

    def forward(self, h: Tensor) -> Tensor:
        """The sequence after convolution, scan and gate."""
        return self.step(h, None)[0]

    def step(self, h: Tensor, memory: ScanState | None) -> tuple[Tensor, ScanState]:
        """`forward` of tokens after those of `memory` (None = none), and the state after them."""
        sizes = [self.inner, self.inner + 2 * self.state, len(self.D)]
        gate, mixed, steps = torch.split(self.in_proj(h), sizes, dim=-1)
        reach = self.conv1d.kernel_size[0] - 1
        mixed = mixed.transpose(1, 2)
        causal = pad(mixed, (reach, 0)) if memory is None else torch.cat([memory.inputs, mixed], dim=2)
        mixed = silu(self.conv1d(causal)).transpose(1, 2)
        y, state = self._scan(mixed, steps, None if memory is None else memory.state)
        out: Tensor = self.out_proj(self.norm(y * silu(gate)))
        return out, ScanState(causal[:, :, causal.shape[2] - reach :], state)

    def _scan(self, mixed: Tensor, steps: Tensor, start: Tensor | None) -> tuple[Tensor, Tensor]:
        """The recurrence in float32 (float64 for a float64 model), without autocast."""
        if torch.is_autocast_enabled(mixed.device.type):
            with torch.autocast(mixed.device.type, enabled=False):
                return self._scan(mixed, steps, start)
        x, b, c = torch.split(widen(mixed), [self.inner, self.state, self.state], dim=-1)
        heads = x.reshape(*x.shape[:-1], self.inner // self.head, self.head)
        steps = softplus(widen(steps) + self.dt_bias)
        if mamba_kernels.are_used(self.kernels, heads):
            y, state = mamba_kernels.scan(heads, steps, -self.A_log.exp(), b, c, self.chunk, start)
        else:
            y, state = scan(heads * steps.unsqueeze(-1), -steps * self.A_log.exp(), b, c, self.chunk, start)
        return (y + heads * self.D.unsqueeze(-1)).flatten(2), state
