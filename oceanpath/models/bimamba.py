"""Mamba-2 in both directions over the patches: Dao and Gu, "Transformers are SSMs", ICML 2024, figure 6.

x → LayerNorm → Mamba-2 along the stored order + another against it → dropout → + x, `layers` times; then a mean of the
patches' states, weighted by a softmax of one linear score as in MambaMIL (Yang, Wang and Chen, MICCAI 2024). The
parameters of one direction have the names and shapes of ``mamba_ssm.Mamba2`` (one group), computed here in plain torch
on any device.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import BiMambaSettings
from oceanpath.models.ssd import scan


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
        x = self.patches(h)
        for norm, ahead, back in zip(self.norms, self.ahead, self.back, strict=True):
            normed = norm(x)
            x = x + self.dropout(ahead(normed) + back(normed.flip(1)).flip(1))
        states = self.norm(x)
        weights = masked_softmax(self.score(states).squeeze(-1), None)
        embedding = torch.bmm(weights.to(states.dtype).unsqueeze(1), states).squeeze(1)
        return embedding, weights if return_attention else None


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
        sizes = [self.inner, self.inner + 2 * self.state, len(self.D)]
        gate, mixed, steps = torch.split(self.in_proj(h), sizes, dim=-1)
        causal = pad(mixed.transpose(1, 2), (self.conv1d.kernel_size[0] - 1, 0))
        mixed = silu(self.conv1d(causal)).transpose(1, 2)
        y = self._scan(mixed, steps)
        out: Tensor = self.out_proj(self.norm(y * silu(gate)))
        return out

    def _scan(self, mixed: Tensor, steps: Tensor) -> Tensor:
        """The recurrence in float32 (float64 for a float64 model), without autocast."""
        if torch.is_autocast_enabled(mixed.device.type):
            with torch.autocast(mixed.device.type, enabled=False):
                return self._scan(mixed, steps)
        x, b, c = torch.split(widen(mixed), [self.inner, self.state, self.state], dim=-1)
        heads = x.reshape(*x.shape[:-1], self.inner // self.head, self.head)
        steps = softplus(widen(steps) + self.dt_bias)
        y = scan(heads * steps.unsqueeze(-1), -steps * self.A_log.exp(), b, c, self.chunk)
        y = y + heads * self.D.unsqueeze(-1)
        return y.flatten(2)
