"""The single attention branch of CLAM: Lu et al., Nature Biomedical Engineering 2021, equations 1 and 2.

At bag level it is gated attention with the published widths. CLAM differs from ABMIL in a loss on the most and least
attended patches, which needs the label of the slide (`clustering`); `instance_weight` switches it on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from oceanpath.bags.batch import Batch
from oceanpath.models.abmil import ABMIL
from oceanpath.models.clustering import InstanceClustering
from oceanpath.models.settings import ClamSBSettings


class ClamSB(ABMIL):
    """The bag-level branch of CLAM-SB, with the authors' widths as defaults."""

    def __init__(self, settings: ClamSBSettings, in_dim: int, branches: int = 1) -> None:
        super().__init__(settings, in_dim, branches)
        self.settings, self.auxiliary_weight = settings, settings.instance_weight

    def auxiliary_head(self, outputs: int) -> nn.Module | None:
        """The two-way layers of `clustering`, for a weight above 0."""
        return InstanceClustering(self.settings, outputs) if self.auxiliary_weight else None

    def forward_auxiliary(self, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """With the loss on the most and least attended patches; it does not train the attention."""
        pooled, weights = self.attend(batch)
        attention = self.patch_attention(pooled, weights)
        loss = head(self.patches, batch, torch.cat(weights).detach())
        return self.join(pooled), attention, {"auxiliary_loss": loss}
