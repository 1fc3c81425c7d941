"""From selected rows to features: only the selected rows are read, widened and perturbed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from oceanpath.bags.augment.bag import Patches, View
from oceanpath.bags.augment.base import FeatureChange, NeighbourBlend, Perturbation


def render(perturbations: Sequence[tuple[str, Perturbation]], patches: Patches, views: Sequence[View]) -> Tensor:
    """Features [n, D] of the views in order, float32 where they are perturbed, otherwise of the stored type.

    Args:
        perturbations: with their names; `views` have their random numbers.
        patches: the selected rows of all `views`, concatenated.
        views: one view or more of the same augmentor.
    """
    drawn = [(one, _draws(views, name, patches.rows.device)) for name, one in perturbations if name in views[0].draws]
    blends = [(one, draws) for one, draws in drawn if isinstance(one, NeighbourBlend)]
    changes = [(one, draws) for one, draws in drawn if isinstance(one, FeatureChange)]
    features = _blended(patches, blends) if blends else patches.stored.index_select(0, patches.rows)
    if not changes:
        return features
    values = features.float()
    for change, draws in changes:
        change.apply(patches, values, draws)
    return values


def _blended(patches: Patches, blends: Sequence[tuple[NeighbourBlend, list[Tensor]]]) -> Tensor:
    """Weighted sums of stored rows; rows of weight 0 are not read."""
    if patches.neighbours is None:
        raise ValueError("a blend with neighbours needs a table of neighbours")
    near = patches.neighbours[:, : max(blend.k for blend, _ in blends)]
    sources = torch.cat([patches.rows.unsqueeze(1), near], dim=1)
    weights = torch.zeros(sources.shape, device=sources.device)
    weights[:, 0] = 1
    for blend, draws in blends:
        blend.blend(weights, draws)
    used = weights != 0
    offsets = used.sum(dim=1).cumsum(0)
    return embedding_bag(
        sources[used],
        patches.stored,
        torch.cat([offsets.new_zeros(1), offsets[:-1]]),
        mode="sum",
        per_sample_weights=weights[used].to(patches.stored.dtype),
    )


def _draws(views: Sequence[View], name: str, device: torch.device) -> list[Tensor]:
    parts = zip(*(view.draws[name] for view in views), strict=True)
    joined = (arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for arrays in parts)
    return [torch.from_numpy(array).to(device) for array in joined]
