"""A slide classifier: an aggregator and one linear layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models.base import MILOutput
from oceanpath.models.registry import build_aggregator
from oceanpath.models.settings import ModelSettings

LOGIT_BOUND = 100.0


class WSIClassifier(nn.Module):
    """Slide-level outputs, for classification one logit per class; `outputs` is their names, in order."""

    def __init__(self, settings: ModelSettings, in_dim: int, outputs: Sequence[str]) -> None:
        super().__init__()
        self.settings, self.in_dim, self.outputs = settings, in_dim, tuple(outputs)
        self.aggregator = build_aggregator(settings, in_dim)
        self.head = nn.Linear(self.aggregator.embed_dim, len(self.outputs))
        self.auxiliary = self.aggregator.auxiliary_head(len(self.outputs))

    def forward(self, h: Tensor, mask: Tensor | None = None, coords: Tensor | None = None) -> Tensor:
        """Logits [B, C] float32 of padded bags h [B, N, in_dim]; see `BaseMIL.forward_features`."""
        return self.output(h, mask, coords).logits

    def output(
        self,
        h: Tensor,
        mask: Tensor | None = None,
        coords: Tensor | None = None,
        return_attention: bool = False,
    ) -> MILOutput:
        """Embedding, logits and (if requested) ``extras["attention"]`` [B, N] of padded bags."""
        return self._classify(*self.aggregator.forward_features(h, mask, coords, return_attention))

    def output_packed(self, batch: Batch, return_attention: bool = False) -> MILOutput:
        """Embedding, logits and (if requested) ``extras["attention"]`` [T] of a ragged batch, without padding.

        In training on labelled bags, models with an auxiliary loss add its values to the extras.
        """
        if self.auxiliary is None or not self.training or batch.labels is None:
            return self._classify(*self.aggregator.forward_packed(batch, return_attention))
        embedding, attention, extras = self.aggregator.forward_auxiliary(self.auxiliary, batch)
        output = self._classify(embedding, attention if return_attention else None)
        output.extras.update(extras)
        return output

    def contributions(self, rows: Tensor) -> Tensor | None:
        """What each patch of one bag [n, in_dim] adds to the outputs: [n, C], or None as `BaseMIL.contributions`.

        Their sum is the outputs before these are limited to ±`LOGIT_BOUND`.
        """
        return self.aggregator.contributions(rows, self.head)

    def blend(self, losses: Tensor, outputs: Sequence[MILOutput], loss_of: Callable[[Tensor], Tensor]) -> Tensor:
        """The losses [B] of the slides of all outputs, combined with the auxiliary losses of this model.

        `loss_of` is the loss [B] of logits [B, C] of these slides.
        """
        auxiliary = []
        if "auxiliary_loss" in outputs[0].extras:
            auxiliary.append(torch.cat([output.extras["auxiliary_loss"] for output in outputs]))
        if "auxiliary_logits" in outputs[0].extras:
            logits = torch.cat([output.extras["auxiliary_logits"] for output in outputs], dim=1)
            auxiliary.append(torch.stack([loss_of(prediction) for prediction in logits]).mean(dim=0))
        weight = self.aggregator.auxiliary_weight
        return (1.0 - weight) * losses + weight * sum(auxiliary) if auxiliary else losses

    def _classify(self, embedding: Tensor, attention: Tensor | None) -> MILOutput:
        logits = self.head(embedding)
        # Half precision is too coarse for the loss; beyond the bound a float32 softmax is 0 or 1 in any case.
        logits = (logits if logits.dtype == torch.float64 else logits.float()).clamp(-LOGIT_BOUND, LOGIT_BOUND)
        return MILOutput(embedding, logits, {} if attention is None else {"attention": attention})
