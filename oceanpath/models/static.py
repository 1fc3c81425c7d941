"""Mean or maximum over the patches: what attention must beat."""

from __future__ import annotations

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax
from oceanpath.models.settings import StaticSettings


class StaticPooling(BaseMIL):
    """One hidden layer a patch, then its mean or maximum over the bag.

    "Attention" of the mean is 1/n. Of the maximum it is the share of embedding dimensions that a patch decides;
    patches with equal values share a dimension equally.
    """

    def __init__(self, settings: StaticSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.kind = settings.pool
        self.patches = PatchMLP(settings, in_dim)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # a pool does not look at places
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Mean or maximum of the hidden patches."""
        hidden = self.patches(h)
        if self.kind == "mean":
            weights = masked_softmax(hidden.new_zeros(hidden.shape[:2]), mask)
            embedding = torch.bmm(weights.to(hidden.dtype).unsqueeze(1), hidden).squeeze(1)
            return embedding, weights if return_attention else None
        if mask is not None:
            hidden = hidden.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        top = hidden.amax(dim=1)
        return top, _deciding_share(hidden, top) if return_attention else None

    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """As `forward_features`, bag by bag; long bags in blocks when attention is not asked for."""
        if return_attention or not streaming.streams(len(batch.features)):
            return super().forward_packed(batch, return_attention)
        return torch.stack([self._stream(batch.features[start:stop]) for start, stop in batch.spans()]), None

    def _stream(self, rows: Tensor) -> Tensor:
        dtype = next(self.parameters()).dtype
        blocks = (self.patches(block.to(dtype)) for block in torch.split(rows, streaming.BLOCK))
        if self.kind == "max":
            return torch.stack([hidden.amax(dim=0) for hidden in blocks]).amax(dim=0)
        return torch.stack([hidden.sum(dim=0) for hidden in blocks]).sum(dim=0) / len(rows)


def _deciding_share(hidden: Tensor, top: Tensor) -> Tensor:
    deciding = (hidden == top.unsqueeze(1)).float()
    return (deciding / deciding.sum(dim=1, keepdim=True)).mean(dim=-1)
