"""The patch-level loss of CLAM: Lu et al., Nature Biomedical Engineering 2021, methods, "instance-level clustering".

Every class has a linear layer with two outputs over hidden patches. For a slide of class y, the most attended patches
are positive examples of y and the least attended are negative ones; if classes exclude each other, the most attended
are negative examples of the other classes. The loss is the smooth top-1 SVM of Berrada, Zisserman and Kumar, ICLR 2018,
equation 6, at margin 1 and temperature 1, which for two outputs is softplus(1 + s_wrong - s_right).

Unlike in the authors' code, the selected patches pass the first layers once more, with another dropout mask; a bag of
fewer than 2 · `instance_patches` patches contributes half of its patches to each side, and a bag of one patch none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from oceanpath.bags.batch import Batch
from oceanpath.models.patches import widen
from oceanpath.models.settings import ClamSBSettings

MARGIN = 1.0


class InstanceClustering(nn.Module):
    """The linear layers of `n_classes` classes, and their loss."""

    def __init__(self, settings: ClamSBSettings, n_classes: int) -> None:
        super().__init__()
        self.patches, self.exclusive, self.n_classes = settings.instance_patches, settings.exclusive, n_classes
        self.ways = nn.Linear(settings.hidden, 2 * n_classes)

    def forward(self, embed: nn.Module, batch: Batch, attention: Tensor) -> Tensor:
        """The loss of every bag, [B] float32 or wider.

        Args:
            embed: patch features [n, D] → hidden patches [n, hidden].
            batch: bags with labels.
            attention: [T, branches]; only its order within a bag matters. Of several branches, each is that of a class.
        """
        assert batch.labels is not None, "the patch-level loss needs labels"
        chosen = [
            self._extremes(weights) + start
            for weights, (start, _) in zip(batch.split(attention), batch.spans(), strict=True)
        ]
        rows = batch.features[torch.cat(chosen)].to(self.ways.weight.dtype)
        scores = widen(self.ways(embed(rows))).reshape(-1, self.n_classes, 2)
        parts = torch.split(scores, [len(rows_of_bag) for rows_of_bag in chosen])
        by_class = [self._by_class(part, attention.shape[1]) for part in parts]
        return torch.stack([self._loss(part, label) for part, label in zip(by_class, batch.labels, strict=True)])

    def _extremes(self, attention: Tensor) -> Tensor:
        """Indices of the most attended patches, followed by the same number of the least attended, of each branch."""
        count = min(self.patches, len(attention) // 2)
        most, least = attention.topk(count, dim=0).indices, attention.topk(count, dim=0, largest=False).indices
        return torch.cat([most, least]).T.flatten()

    def _by_class(self, scores: Tensor, branches: int) -> Tensor:
        """Scores [m, classes, 2] of the patches that the branch of each class selected, or the only branch."""
        if branches == 1:
            return scores
        of_branches = scores.reshape(branches, -1, self.n_classes, 2)
        return of_branches.diagonal(dim1=0, dim2=2).movedim(-1, 1)

    def _loss(self, scores: Tensor, label: Tensor) -> Tensor:
        if not len(scores):
            return scores.sum()
        evidence = torch.zeros_like(scores[..., 0], dtype=torch.bool)
        evidence[: len(scores) // 2, label] = True
        margins = scores[..., 0] - scores[..., 1]
        losses = softplus(MARGIN + torch.where(evidence, margins, -margins))
        own = losses[:, label].mean()
        if not self.exclusive:
            return own
        top = losses[: len(scores) // 2].mean(dim=0)
        return (own + top.sum() - top[label]) / self.n_classes
