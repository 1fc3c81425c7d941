"""VISReg: arXiv 2606.02572 (2026): the distribution of embeddings as centre, scale and shape.

    centre = mean_j μ_j²,  scale = mean_j (σ_j - 1)²
    shape  = mean over directions a and ranks i of (sorted aᵀ((z - μ) / σ)_i - q_i)²
    q_i    = √2 erfinv(2 i / (B + 1) - 1),  i = 1 … B
    loss   = (1 - λ) mean ‖z_v - mean_v z‖² + λ (centre + scale + shape)

σ is the unbiased standard deviation. The paper detaches σ in the shape term; here its gradient is taken, so that the
shape term cannot change a scale: detached, it pulls all projections towards zero with a force that grows with 1 / σ,
and batches of 8 collapse.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision

SMALLEST = 1e-6
"""Added to the deviation in the shape term, where a constant dimension would divide by zero."""


@full_precision
def visreg(z: Tensor, directions: Tensor) -> Tensor:
    """Sum of centre, scale and shape of embeddings [B, D] along unit directions [D, K]; B ≥ 2."""
    mean = z.mean(dim=0)
    deviation = (z.var(dim=0) + SMALLEST**2).sqrt()
    ranks = torch.arange(1, len(z) + 1, dtype=z.dtype, device=z.device)
    quantiles = math.sqrt(2.0) * torch.erfinv(2.0 * ranks / (len(z) + 1) - 1.0)
    projected = ((z - mean) / (deviation + SMALLEST)) @ directions.to(z)
    shape = (projected.sort(dim=0).values - quantiles.unsqueeze(1)).square().mean()
    return mean.square().mean() + (deviation - 1.0).square().mean() + shape
