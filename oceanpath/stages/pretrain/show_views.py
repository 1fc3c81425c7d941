"""A drawing of the views of one slide, and of each augmentation; not part of the stage's output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from oceanpath.artifacts.patch_spacing import spacing_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.augment.illustrate import StoredBag, effects
from oceanpath.bags.dataset import tensor_of
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbours import nearest_rows
from oceanpath.bags.view_loader import augmentor_of
from oceanpath.errors import ExperimentError
from oceanpath.figures.views import ViewPanel, draw_views
from oceanpath.fit.seeds import derive
from oceanpath.models.registry import build_aggregator
from oceanpath.ssl.methods.registry import build_method
from oceanpath.stages.pretrain.prepare import training_seed, view_settings
from oceanpath.stages.pretrain.settings import PretrainSettings


def show_views(store: Store, slide_id: str, settings: PretrainSettings, path: Path) -> None:
    """Write the drawing of a slide to `path` (PNG): each augmentation alone, and the views of the first epoch.

    The views are those of the training or, with `rows = "fold_train"`, other draws of the same kind.

    Raises: ArtifactError: there is no such slide. ExperimentError: its patches have no coordinates, or the batching
        strategy does not make the views of the method.
    """
    number = store.number(slide_id)
    coords = store.coords(number)
    if coords is None:
        raise ExperimentError("a drawing of views needs the coordinates of patches", where=store.path, got="none")
    bag = SourceBag(slide_id, store.length(number), store.dim, coords, spacing_of(coords))
    stored = tensor_of(np.array(store.stored(number)), store)
    whole = StoredBag(bag, stored, nearest_rows(coords), feature_deviation(store, range(len(store))))
    method = build_method(settings.method, build_aggregator(settings.model, store.dim), 2)  # any number of labels
    views = replace(view_settings(settings, method.views, store), seed=derive(training_seed(settings), "rows"))
    shown = effects(whole, augmentor_of(views, has_coords=True), views.batching.limit)
    draw_views(path, slide_id, coords, bag.spacing, [ViewPanel(*effect) for effect in shown])
