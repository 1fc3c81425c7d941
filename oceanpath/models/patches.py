"""The first layers that patch-wise architectures share, and attention weights over the real patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.models.settings import PatchModelSettings


class PatchMLP(nn.Sequential):
    """[..., in_dim] → [..., hidden]: (LayerNorm) → dropout → Linear → ReLU → dropout, each patch for itself."""

    def __init__(self, settings: PatchModelSettings, in_dim: int) -> None:
        norm = nn.LayerNorm(in_dim) if settings.input_norm == "layer" else nn.Identity()
        super().__init__(
            norm,
            nn.Dropout(settings.input_dropout),
            nn.Linear(in_dim, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
        )


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis [..., N], float32 or wider even under autocast; exactly 0 where `mask` is False."""
    wide = widen(scores)
    if mask is not None:
        wide = wide.masked_fill(~mask, float("-inf"))
    return torch.softmax(wide, dim=-1)


def widen(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x if x.dtype == torch.float64 else x.float()
