"""The contract of every aggregator.

padding and the other bags of a batch never change a slide's embedding
packed, padded, single and streamed bags give the same result
attention is float32 (float64 for a float64 model), non-negative and sums to 1 over the real patches of a bag
the order of patches does not matter, unless the class sets `ordered`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeVar

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models import checkpointed as recompute
from oceanpath.models import streaming

R = TypeVar("R")


@dataclass(frozen=True)
class MILOutput:
    """The output of a classifier for a batch of B bags."""

    slide_embedding: Tensor
    """[B, E]."""
    logits: Tensor
    """[B, C] float32."""
    extras: dict[str, Tensor] = field(default_factory=dict)
    """``attention`` [B, N] (padded) or [T] (packed), if requested. In training, of models with an auxiliary loss:
    ``auxiliary_loss`` [B], or ``auxiliary_logits`` [K, B, C], K further predictions of every bag."""


class BaseMIL(nn.Module, ABC):
    """An aggregator: h [B, N, in_dim] → embedding [B, embed_dim]. A new architecture implements `pool`."""

    ordered = False
    """Whether the result depends on the order of the patches."""
    requires_packed = False
    """Whether padded bags are processed one by one without their padding, so that `pool` never gets a mask."""
    reads_coords = False
    """Whether coordinates, if known, change the result. A bundle of such a model requests them."""
    pools_blocks = False
    """Whether the embedding depends on the patches only through softmax-weighted means, with scores and values that
    depend on one patch each, so that it can be computed from blocks of patches."""
    auxiliary_weight = 0.0
    """Weight of the auxiliary losses in the training loss, from 0 to 1."""
    checkpoint: bool
    """Whether the backward pass recomputes intermediate results: slower, with less memory and the same gradients."""

    def __init__(self, in_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.in_dim, self.embed_dim = in_dim, embed_dim
        self.frozen = False
        self.checkpoint = False

    def freeze(self) -> Self:
        """Freeze all parameters and disable dropout, also in training mode; returns self."""
        self.frozen = True
        return self.requires_grad_(False).eval()

    def unfreeze(self) -> Self:
        """Parameters are trained again; returns self in training mode."""
        self.frozen = False
        return self.requires_grad_(True).train()

    def train(self, mode: bool = True) -> Self:
        """As in torch, but a frozen aggregator remains in eval mode."""
        return super().train(mode and not self.frozen)

    @abstractmethod
    def pool(
        self, h: Tensor, mask: Tensor | None, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """`forward_features` on features that have the parameters' dtype and zeros where `mask` is False."""

    def forward_features(
        self,
        h: Tensor,
        mask: Tensor | None = None,
        coords: Tensor | None = None,
        return_attention: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Embeddings of padded bags; each has at least one real patch.

        Args:
            h: [B, N, in_dim], any floating dtype; the values of padded rows are never read.
            mask: [B, N] bool, True where a patch is real; None = all are.
            coords: [B, N, 2] int32 level-0 pixels; None = unknown.
            return_attention: whether to return attention.

        Returns:
            The embedding [B, embed_dim] and the attention [B, N] (None unless requested).
        """
        h = h.to(next(self.parameters()).dtype)
        if mask is not None and self.requires_packed:
            return self._unpadded(h, mask, coords, return_attention)
        if mask is not None:
            h = torch.where(mask.unsqueeze(-1), h, h.new_zeros(()))
        return self.pool(h, mask, coords, return_attention)

    def _unpadded(
        self, h: Tensor, mask: Tensor, coords: Tensor | None, return_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        offsets = torch.nn.functional.pad(mask.sum(dim=1).cumsum(0), (1, 0))
        real = Batch(h[mask], offsets, None if coords is None else coords[mask])
        embedding, packed = self.forward_packed(real, return_attention)
        if packed is None:
            return embedding, None
        return embedding, packed.new_zeros(mask.shape).masked_scatter(mask, packed)

    def forward_packed(self, batch: Batch, return_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        """Embeddings [B, embed_dim] and attention [T] (None unless requested) of a ragged batch, without padding.

        At inference the bags of a batch of more than `streaming.STREAM_ABOVE` rows are streamed one by one.
        """
        if streaming.streams(len(batch.features)):
            return _one_by_one(batch, lambda rows, coords: self.stream(rows, coords, return_attention))
        return self.pool_packed(batch, return_attention)

    def pool_packed(self, batch: Batch, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """`forward_packed` of a batch that is read at once; by default one bag at a time."""
        return _one_by_one(batch, lambda rows, coords: self._single(rows, coords, return_attention))

    def stream(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        """One bag at inference, in as little memory as the architecture allows; by default all at once.

        Args:
            rows: [n, in_dim], any floating dtype.
            coords: [n, 2] or None.
            return_attention: whether to return attention.

        Returns: The embedding [embed_dim] and the attention [n] or None, those of `forward_features`.
        """
        return self._single(rows, coords, return_attention)

    def _single(self, rows: Tensor, coords: Tensor | None, return_attention: bool) -> tuple[Tensor, Tensor | None]:
        batch_coords = None if coords is None else coords.unsqueeze(0)
        embedding, attention = self.forward_features(rows.unsqueeze(0), None, batch_coords, return_attention)
        return embedding.squeeze(0), None if attention is None else attention.squeeze(0)

    def contributions(self, rows: Tensor, head: nn.Linear) -> Tensor | None:  # noqa: ARG002  # most have none
        """What each patch of one bag [n, in_dim] adds to the outputs of `head`: [n, C], whose sum is the outputs.

        None if the embedding is not a sum over patches, because the architecture combines them before it pools.
        """
        return None

    def auxiliary_head(self, outputs: int) -> nn.Module | None:  # noqa: ARG002  # most architectures have none
        """The layers of auxiliary losses for a model with this number of outputs; None without such a loss."""
        return None

    def forward_auxiliary(self, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """`forward_packed` in training, for architectures with an `auxiliary_head`.

        Returns: Embedding [B, embed_dim], attention [T], and the extras of `MILOutput` for the auxiliary losses.
        """
        raise NotImplementedError

    def checkpointed(self, work: Callable[..., R], *inputs: object) -> R:
        """``work(*inputs)``; with `checkpoint` its intermediate results are recomputed in the backward pass."""
        return recompute.checkpointed(self.checkpoint, work, *inputs)

    def by_rows(self, work: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`checkpointed` for a row-wise function: in blocks of rows."""
        return recompute.by_rows(self.checkpoint, work, rows)


def _one_by_one(
    batch: Batch, pool: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]
) -> tuple[Tensor, Tensor | None]:
    pooled = [
        pool(batch.features[start:stop], None if batch.coords is None else batch.coords[start:stop])
        for start, stop in batch.spans()
    ]
    attentions = [attention for _, attention in pooled if attention is not None]
    return torch.stack([embedding for embedding, _ in pooled]), torch.cat(attentions) if attentions else None
