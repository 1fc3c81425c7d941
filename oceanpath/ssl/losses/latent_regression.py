"""Regression of target embeddings as in I-JEPA: Assran et al., CVPR 2023, section 3.

    loss = 1/M Σ D(ŝ_i, s_i)

over M predicted blocks. The paper's D is the squared L2 distance; the authors' code, and this one, use the smooth L1
distance to targets that were normalised to zero mean and unit variance over their dimensions.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision


@full_precision
def latent_regression(prediction: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """Mean smooth L1 distance (quadratic below `beta`) of predictions [M, D] to the normalised targets [M, D]."""
    return F.smooth_l1_loss(prediction, F.layer_norm(target, target.shape[1:]), beta=beta)
