"""NT-Xent of SimCLR: Chen, Kornblith, Norouzi and Hinton, ICML 2020, equation 1.

    l(i, j) = -log( exp(sim(z_i, z_j) / τ) / Σ_{k≠i} exp(sim(z_i, z_k) / τ) )       sim = cosine

averaged over all 2 B views. Unlike in the paper, views of other bags of the same group (patient) are not negatives.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision


@full_precision
def nt_xent(a: Tensor, b: Tensor, temperature: float, groups: Tensor | None = None) -> Tensor:
    """The loss of two views [B, D] of the same B bags.

    Args:
        a: First views.
        b: Second views.
        temperature: τ.
        groups: [B] int64; bags of the same group are no negatives of each other. None: every bag is its own group.
    """
    count = len(a)
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / temperature
    own = torch.arange(count, device=a.device).repeat(2)
    groups = own if groups is None else groups.repeat(2)
    same_bag = own.unsqueeze(0) == own.unsqueeze(1)
    excluded = (groups.unsqueeze(0) == groups.unsqueeze(1)) & ~same_bag
    excluded |= torch.eye(2 * count, dtype=torch.bool, device=a.device)
    partner = torch.arange(2 * count, device=a.device).roll(count)
    return F.cross_entropy(similarity.masked_fill(excluded, -math.inf), partner)
