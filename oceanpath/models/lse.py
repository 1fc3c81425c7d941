"""Log-sum-exp pooling: Pinheiro and Collobert, "From Image-level to Pixel-level Labeling ...", CVPR 2015.

    z = 1/r · log( 1/n Σ_k exp(r · x_k) )        per dimension

Between the mean (r → 0) and the maximum (r → ∞).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import LSESettings


class LogSumExpPooling(BaseMIL):
    """One hidden layer per patch, then log-sum-exp over the bag.

    "Attention" is the derivative of the embedding with respect to each patch, mean over dimensions.
    """

    def __init__(self, settings: LSESettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.sharpness = settings.sharpness
        self.patches = PatchMLP(settings, in_dim)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # pooling ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Log-sum-exp of the hidden patches, in float32 or wider."""
        # Along the last axis, sums of many numbers are accurate in every runtime.
        powers = self.sharpness * widen(self.by_rows(self.patches, h)).mT
        share = masked_softmax(torch.zeros_like(powers[:, 0]), mask).unsqueeze(1)
        if mask is not None:
            powers = powers.masked_fill(~mask.unsqueeze(1), float("-inf"))
        top = powers.amax(dim=-1, keepdim=True)
        parts = share * torch.exp(powers - top)
        mean = parts.sum(dim=-1, keepdim=True)
        embedding = ((top + torch.log(mean)) / self.sharpness).squeeze(-1)
        return embedding, (parts / mean).mean(dim=1) if return_attention else None

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # pooling ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks; attention needs a second pass over the bag."""
        dtype = next(self.parameters()).dtype

        def powers() -> Iterator[Tensor]:
            blocks = streaming.blocks(len(rows))
            return (self.sharpness * widen(self.patches(rows[block].to(dtype))) for block in blocks)

        total = torch.logsumexp(torch.stack([torch.logsumexp(part, dim=0) for part in powers()]), dim=0)
        embedding = (total - math.log(len(rows))) / self.sharpness
        if not return_attention:
            return embedding, None
        return embedding, torch.cat([torch.exp(part - total).mean(dim=-1) for part in powers()])
