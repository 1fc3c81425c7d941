"""Supervised pretraining on the labels of a cohort, as FEATHER does: one linear layer and the cross-entropy."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import nn

from oceanpath.bags.batch import Batch
from oceanpath.models.base import BaseMIL
from oceanpath.ssl.distributed import gathered
from oceanpath.ssl.methods.base import Loss, Method, StepContext, ViewRequest
from oceanpath.ssl.methods.settings import SupervisedSettings


class Supervised(Method):
    """One view; the labels of its bags."""

    least_bags = 1

    def __init__(self, settings: SupervisedSettings, aggregator: BaseMIL, classes: int) -> None:
        super().__init__(aggregator, nn.Linear(aggregator.embed_dim, classes))
        self.smoothing = settings.label_smoothing

    @property
    def views(self) -> ViewRequest:
        """See `Method.views`."""
        return ViewRequest(global_views=1)

    def loss(self, views: Sequence[Batch], context: StepContext) -> Loss:  # noqa: ARG002  # the same in all steps
        """See `Method.loss`."""
        (view,) = views
        assert view.labels is not None, "the training dataset has labels"
        logits, labels = self.student(view).float(), gathered(view.labels, view).long()
        return Loss(F.cross_entropy(logits, labels, label_smoothing=self.smoothing))
