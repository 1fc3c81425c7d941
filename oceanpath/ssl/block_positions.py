"""Positions of spatial blocks of a slide, and their Fourier features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch


def block_positions(context: Batch, blocks: Sequence[Batch]) -> Tensor:
    """Centre and extent of each block relative to the slide, [M, B, 4] in 0 … 1; zeros for bags without coordinates.

    The slide is the bounding box of the context and all blocks of a bag.
    """
    if context.coords is None:
        return torch.zeros(len(blocks), len(context), 4, device=context.features.device)
    boxes = [_box(view) for view in (context, *blocks)]
    low = torch.stack([box[0] for box in boxes]).amin(dim=0)
    high = torch.stack([box[1] for box in boxes]).amax(dim=0)
    extent = (high - low).clamp(min=1)
    positions = [torch.cat([((a + b) / 2 - low) / extent, (b - a) / extent], dim=1) for a, b in boxes[1:]]
    return torch.stack(positions)


def fourier_features(positions: Tensor, bands: int) -> Tensor:
    """[..., P] → [..., 2 P bands]: sine and cosine at the frequencies π 2^k."""
    frequencies = math.pi * 2.0 ** torch.arange(bands, device=positions.device)
    angles = (positions.unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _box(view: Batch) -> tuple[Tensor, Tensor]:
    """Smallest and largest coordinates [B, 2] of each bag."""
    assert view.coords is not None, "all views of a bag have coordinates, or none"
    bags = torch.repeat_interleave(torch.arange(len(view), device=view.coords.device), view.lengths)
    index, coords = bags.unsqueeze(1).expand(-1, 2), view.coords.float()
    empty = coords.new_zeros(len(view), 2)
    low = empty.scatter_reduce(0, index, coords, "amin", include_self=False)
    return low, empty.scatter_reduce(0, index, coords, "amax", include_self=False)
