"""The attention branches of CLAM, one per class: Lu et al., Nature Biomedical Engineering 2021, equations 1 and 2.

    a_ck = softmax_k( w_cᵀ ( tanh(V x_k) ⊙ sigm(U x_k) ) )        z_c = Σ_k a_ck x_k        e = [z_1; …; z_C]

The branches share V and U. Unlike in the paper, where each class is classified from its own branch, the classifier
reads all branches.
"""

from __future__ import annotations

from torch import Tensor, nn

from oceanpath.errors import ExperimentError
from oceanpath.models.clam_sb import ClamSB
from oceanpath.models.settings import ClamMBSettings


class ClamMB(ClamSB):
    """`settings.branches` gated attention branches; the patch-level loss of a class uses its own branch."""

    def __init__(self, settings: ClamMBSettings, in_dim: int) -> None:
        super().__init__(settings, in_dim, settings.branches)
        self.branches, self.embed_dim = settings.branches, settings.branches * settings.hidden

    def join(self, pooled: Tensor) -> Tensor:
        """The concatenated means of the branches."""
        return pooled.flatten(1)

    def auxiliary_head(self, outputs: int) -> nn.Module | None:
        """As in `ClamSB`. Raises: ExperimentError: the branches are not those of the classes."""
        if self.auxiliary_weight and outputs != self.branches:
            what = "the patch-level loss needs one branch per class"
            raise ExperimentError(what, where="[model] branches", expected=outputs, got=self.branches)
        return super().auxiliary_head(outputs)
