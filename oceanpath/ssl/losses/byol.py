"""BYOL: Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, equation 2.

    loss = ‖q̄ - z̄'‖² = 2 - 2 ⟨q, z'⟩ / (‖q‖ ‖z'‖)

of one direction; the paper adds both directions, the method here averages them.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from oceanpath.ssl.losses.full_precision import full_precision


@full_precision
def normalised_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of 2 - 2 cos over the rows of predictions [B, D] and targets [B, D]; no gradient flows into the target."""
    return (2.0 - 2.0 * F.cosine_similarity(prediction, target.detach(), dim=1)).mean()
