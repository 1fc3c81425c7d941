"""The map of the patches of one slide, over its thumbnail where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from oceanpath.artifacts.features.metadata import FeatureMeta
from oceanpath.errors import ArtifactError
from oceanpath.figures.heatmap import DEFAULT, Backdrop, MapOptions, draw_coords, draw_heatmap, draw_sorted


@dataclass(frozen=True)
class MappedPatches:
    """The patches of one slide and what is known about their geometry."""

    attention: NDArray[np.floating]
    """[n], non-negative, sums to 1."""
    coords: NDArray[np.int32] | None
    """[n, 2] level-0 pixels, top-left corners; None if unknown."""
    side: float | None
    """Side of a patch in level-0 pixels; None if unknown."""
    meta: FeatureMeta | None
    """How `extract` computed the features; None if it did not."""
    thumbnail: Path | None
    """The thumbnail that `extract` wrote, which need not exist."""


def thumbnail_of(slide_id: str) -> str:
    """Name of the thumbnail that `extract` writes next to the features."""
    return f"thumbnails/{slide_id}.jpg"


def draw_slide(path: Path, patches: MappedPatches, title: str, options: MapOptions = DEFAULT) -> str:
    """Draw patches over the thumbnail, at their coordinates, or sorted: returns "thumbnail", "places" or "order".

    Raises: ArtifactError: the thumbnail cannot be read.
    """
    coords, attention, meta = patches.coords, patches.attention, patches.meta
    if coords is None:
        draw_sorted(path, attention, title, options)
        return "order"
    if meta is not None and patches.thumbnail is not None and patches.thumbnail.is_file():
        backdrop = Backdrop(_pixels(patches.thumbnail), meta.level0_width, meta.level0_height, meta.mpp_x or None)
        draw_heatmap(path, coords, meta.footprint, attention, backdrop, title, options)
        return "thumbnail"
    draw_coords(path, coords, None if patches.side is None else (patches.side,) * 2, attention, title, options)
    return "places"


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise ArtifactError("the thumbnail cannot be read", where=path, got=error) from error
