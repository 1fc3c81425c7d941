"""The effects of the augmentations on one slide of a store."""

from __future__ import annotations

import numpy as np

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.augment.illustrate import Effect, StoredBag, effects
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batching.subsample_fixed_n import SubsampleFixedN
from oceanpath.bags.dataset import tensor_of
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbours import nearest_rows, spacing_of
from oceanpath.errors import ExperimentError


def effects_on(store: Store, slide_id: str, seed: int = 0) -> tuple[SourceBag, list[Effect]]:
    """A slide, and the effect of each default augmentation on it.

    Raises: ArtifactError: there is no such slide. ExperimentError: its patches have no coordinates.
    """
    number = store.number(slide_id)
    coords = store.coords(number)
    if coords is None:
        raise ExperimentError("a drawing of views needs the coordinates of patches", where=store.path, got="none")
    bag = SourceBag(slide_id, store.length(number), store.dim, coords, spacing_of(coords))
    stored = tensor_of(np.array(store.stored(number)), store)
    whole = StoredBag(bag, stored, nearest_rows(coords), feature_deviation(store, range(len(store))))
    return bag, list(effects(whole, AugmentSettings(), seed, SubsampleFixedN().limit))
