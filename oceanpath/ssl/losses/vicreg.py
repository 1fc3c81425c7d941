"""VICReg: Bardes, Ponce and LeCun, "Variance-Invariance-Covariance Regularization", ICLR 2022.

    v(Z) = 1/D Σ_j max(0, 1 - sqrt(Var(z_j) + ε))               equations 1 and 2
    c(Z) = 1/D Σ_{i≠j} C(Z)_ij²,  C(Z) = 1/(B-1) Σ (z - z̄)(z - z̄)ᵀ   equations 3 and 4
    s(Z, Z') = 1/B Σ ‖z - z'‖²                                     equation 5
    loss = λ s(Z, Z') + μ (v(Z) + v(Z')) + ν (c(Z) + c(Z'))        equation 6, λ = μ = 25, ν = 1

The authors' code differs in two points, and so does this one: s is averaged over the D dimensions too, and the variance
term is the mean of both views, half of equation 6. With the weighting of the paper, double `variance_weight`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision

EPSILON = 1e-4


@full_precision
def invariance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of two views [B, D]."""
    return F.mse_loss(a, b)


@full_precision
def variance(z: Tensor) -> Tensor:
    """v(Z) of one view [B, D], B ≥ 2: the variance is unbiased."""
    return F.relu(1.0 - (z.var(dim=0) + EPSILON).sqrt()).mean()


@full_precision
def covariance(z: Tensor) -> Tensor:
    """c(Z) of one view [B, D], B ≥ 2."""
    centred = z - z.mean(dim=0)
    matrix = centred.T @ centred / (len(z) - 1)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / z.shape[1]
