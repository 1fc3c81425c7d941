"""From selected rows to features: only the selected rows are read, widened and perturbed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from oceanpath.bags.augment.bag import Patches, View
from oceanpath.bags.augment.settings import AugmentSettings


def render(settings: AugmentSettings, patches: Patches, views: Sequence[View]) -> Tensor:
    """Features [n, D] of the views in order, of the type and on the device of the stored features.

    Args:
        settings: the perturbations; `views` have their random numbers.
        patches: the selected rows of all `views`, concatenated.
        views: one view or more, all of one augmentor.
    """
    perturbations = [(name, one) for name, one in settings.perturbations() if name in views[0].draws]
    stored = patches.stored.index_select(0, patches.rows)
    if not perturbations:
        return stored
    values = stored.float() if stored.dtype != torch.float32 else stored
    for name, perturbation in perturbations:
        parts = zip(*(view.draws[name] for view in views), strict=True)
        draws = [torch.from_numpy(np.concatenate(arrays)).to(values.device) for arrays in parts]
        perturbation.apply(patches, values, draws)
    return values.to(patches.stored.dtype)
