"""Mean or maximum pooling over the patches, the baseline without attention.

z = 1/n Σ_k x_k        or        z = max_k x_k per dimension
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from oceanpath.models import streaming
from oceanpath.models.base import BaseMIL
from oceanpath.models.patches import PatchMLP, masked_softmax, widen
from oceanpath.models.settings import StaticSettings


class StaticPooling(BaseMIL):
    """One hidden layer per patch, then the mean or maximum over the bag.

    "Attention" of the mean is 1/n. Of the maximum it is the fraction of embedding dimensions whose maximum is in
    this patch; a dimension is divided equally among patches with equal values.
    """

    def __init__(self, settings: StaticSettings, in_dim: int) -> None:
        super().__init__(in_dim, settings.hidden)
        self.kind = settings.pool
        self.patches = PatchMLP(settings, in_dim)

    def pool(
        self,
        h: Tensor,
        mask: Tensor | None,
        coords: Tensor | None,  # noqa: ARG002  # pooling ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """Mean or maximum of the hidden patches."""
        hidden = self.by_rows(self.patches, h)
        if self.kind == "mean":
            weights = masked_softmax(hidden.new_zeros(hidden.shape[:2]), mask)
            embedding = torch.bmm(weights.to(hidden.dtype).unsqueeze(1), hidden).squeeze(1)
            return embedding, weights if return_attention else None
        if mask is not None:
            hidden = hidden.masked_fill(~mask.unsqueeze(-1), float("-inf"))
        top = hidden.amax(dim=1)
        return top, _deciding_share(hidden, top) if return_attention else None

    def stream(
        self,
        rows: Tensor,
        coords: Tensor | None,  # noqa: ARG002  # pooling ignores coordinates
        return_attention: bool,
    ) -> tuple[Tensor, Tensor | None]:
        """In blocks; the attention of a maximum needs two more passes over the bag."""
        dtype = next(self.parameters()).dtype

        def hidden() -> Iterator[Tensor]:
            return (self.patches(rows[block].to(dtype)) for block in streaming.blocks(len(rows)))

        if self.kind == "mean":
            embedding = torch.stack([part.sum(dim=0) for part in hidden()]).sum(dim=0) / len(rows)
            return embedding, widen(embedding).new_full((len(rows),), 1 / len(rows)) if return_attention else None
        top = torch.stack([part.amax(dim=0) for part in hidden()]).amax(dim=0)
        if not return_attention:
            return top, None
        ties = torch.stack([(part == top).sum(dim=0) for part in hidden()]).sum(dim=0)
        return top, torch.cat([((part == top) / widen(ties)).mean(dim=-1) for part in hidden()])

    def contributions(self, rows: Tensor, head: nn.Linear) -> Tensor:
        """The outputs for the patch alone divided by n; for a maximum, those of the dimensions that it decides."""
        hidden = self.patches(rows.to(next(self.parameters()).dtype))
        if self.kind == "mean":
            added: Tensor = head(hidden) / len(rows)
            return added
        shares = _deciding_shares(hidden.unsqueeze(0), hidden.amax(dim=0, keepdim=True))[0].to(hidden.dtype)
        return linear(shares * hidden, head.weight) + shares.mean(dim=-1, keepdim=True) * head.bias


def _deciding_share(hidden: Tensor, top: Tensor) -> Tensor:
    return _deciding_shares(hidden, top).mean(dim=-1)


def _deciding_shares(hidden: Tensor, top: Tensor) -> Tensor:
    """[B, N, E]: 1 where a patch alone has the maximum of a dimension; equal patches share it."""
    deciding = (hidden == top.unsqueeze(1)).float()
    return deciding / deciding.sum(dim=1, keepdim=True)
