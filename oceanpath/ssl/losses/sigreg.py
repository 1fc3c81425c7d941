"""SIGReg of LeJEPA: Balestriero and LeCun, arXiv 2511.08544 (2025).

    T(a) = B ∫ |φ_a(t) - exp(-t²/2)|² exp(-t²/2) dt        Epps-Pulley statistic, section 4.2
    φ_a(t) = 1/B Σ_n exp(i t aᵀz_n)
    SIGReg = mean of T(a) over random unit directions a
    loss = (1 - λ) mean ‖z_v - mean_v z‖² + λ SIGReg       section 5

As in the authors' code, the integral is the trapezoidal rule on [0, 3] with 17 knots, doubled by symmetry, and the
squared distance is averaged over dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision

KNOTS, LIMIT = 17, 3.0


@full_precision
def sigreg(z: Tensor, directions: Tensor) -> Tensor:
    """The statistic of embeddings [B, D], averaged over unit directions [D, K]; 0 for a standard normal as B → ∞."""
    t = torch.linspace(0.0, LIMIT, KNOTS, dtype=z.dtype, device=z.device)
    normal = torch.exp(-t.square() / 2.0)
    angles = (z @ directions.to(z)).unsqueeze(-1) * t
    error = (angles.cos().mean(dim=0) - normal).square() + angles.sin().mean(dim=0).square()
    return 2.0 * len(z) * torch.trapezoid(error * normal, t, dim=-1).mean()
