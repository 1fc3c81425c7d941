"""Shared first layers of patch-wise architectures, and attention weights over the real patches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from oceanpath.models.settings import PatchModelSettings


class ZScore(nn.Module):
    """(h - mean) / deviation per feature; both are set by `set_moments` before training and stored with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, in_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(in_dim))
        self.register_buffer("deviation", torch.ones(in_dim))

    def set_moments(self, mean: Tensor, deviation: Tensor) -> None:
        """Use these moments [in_dim]. A constant feature is only centred."""
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 0, deviation, torch.ones_like(deviation)))

    def forward(self, h: Tensor) -> Tensor:
        """The normalised features."""
        return (h - self.mean.to(h.dtype)) / self.deviation.to(h.dtype)


NORMS: dict[str, Callable[[int], nn.Module]] = {"none": nn.Identity, "layer": nn.LayerNorm, "zscore": ZScore}


class PatchMLP(nn.Sequential):
    """[..., in_dim] → [..., hidden]: (normalisation) → dropout → Linear → ReLU → dropout, per patch."""

    def __init__(self, settings: PatchModelSettings, in_dim: int) -> None:
        super().__init__(
            NORMS[settings.input_norm](in_dim),
            nn.Dropout(settings.input_dropout),
            nn.Linear(in_dim, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
        )

    def forward(self, h: Tensor) -> Tensor:
        """The hidden patches.

        If there is no dropout in between, scale and shift of the norm are folded into the weights of the linear layer:
        the function is the same, but training needs no gradient of [..., in_dim] values, which is a third of the work.
        """
        norm, drop, linear, *rest = self
        if isinstance(norm, nn.LayerNorm) and isinstance(linear, nn.Linear) and not (self.training and _drops(drop)):
            h = layer_norm(h, norm.normalized_shape, eps=norm.eps)
            h = nn.functional.linear(h, linear.weight * norm.weight, linear(norm.bias))
        else:
            h = linear(drop(norm(h)))
        for part in rest:
            h = part(h)
        return h


def _drops(part: nn.Module) -> bool:
    return isinstance(part, nn.Dropout) and part.p > 0


def masked_softmax(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the last axis [..., N], float32 or wider even under autocast; exactly 0 where `mask` is False."""
    wide = widen(scores)
    if mask is not None:
        wide = wide.masked_fill(~mask, float("-inf"))
    return torch.softmax(wide, dim=-1)


def widen(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 unchanged."""
    return x if x.dtype == torch.float64 else x.float()
