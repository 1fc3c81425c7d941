"""A drawing of what the augmentations do to one slide; not part of the stage's output."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.augment.illustrate import StoredBag, effects
from oceanpath.bags.dataset import tensor_of
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbours import nearest_rows
from oceanpath.errors import ExperimentError
from oceanpath.figures.views import ViewPanel, draw_views
from oceanpath.stages.pretrain.settings import PretrainSettings


def show_views(store: Store, slide_id: str, settings: PretrainSettings, path: Path) -> None:
    """Write the drawing of a slide to `path` (PNG).

    Raises: ArtifactError: there is no such slide. ExperimentError: its patches have no coordinates.
    """
    number = store.number(slide_id)
    coords = store.coords(number)
    if coords is None:
        raise ExperimentError("a drawing of views needs the coordinates of patches", where=store.path, got="none")
    bag = SourceBag(slide_id, store.length(number), store.dim, coords, spacing_of(coords))
    stored = tensor_of(np.array(store.stored(number)), store)
    whole = StoredBag(bag, stored, nearest_rows(coords), feature_deviation(store, range(len(store))))
    shown = effects(whole, settings.augment, settings.seed, settings.view_batching().limit)
    draw_views(path, slide_id, coords, bag.spacing, [ViewPanel(*effect) for effect in shown])
