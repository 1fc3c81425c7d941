"""Random directions, and the invariance term that LeJEPA and VISReg share."""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision


def random_directions(dim: int, count: int, seed: int) -> Tensor:
    """Unit vectors as columns [dim, count], uniform on the sphere; they depend on the seed alone, not on the device."""
    normal = torch.randn(dim, count, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(normal, dim=0)


@full_precision
def distance_to_centroid(views: Tensor, centres: int) -> Tensor:
    """Mean squared distance of all views [V, B, D] to the mean of the first `centres` views of their bag."""
    return (views - views[:centres].mean(dim=0)).square().mean()
