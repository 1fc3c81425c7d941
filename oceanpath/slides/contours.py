"""Tissue that somebody else outlined: GeoJSON contours in level-0 pixels, or a mask image of the whole slide.

QuPath exports a FeatureCollection, TRIDENT writes one a slide (`contours_geojson`); a bare list of features, a Feature
or a geometry is taken as well (RFC 7946). In a mask image everything that is not black is tissue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from oceanpath.artifacts.ids import slide_id
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.tissue import Tissue, mask_size

SUFFIXES = (".geojson", ".json", ".png")
ASPECT_TOLERANCE = 0.02
Ring = list[tuple[float, float]]


def find_contours(folder: Path) -> dict[str, Path]:
    """Slide id → contour or mask file of a folder, which is not searched deeper.

    Raises: ExperimentError: no such folder, or two files for one slide.
    """
    if not folder.is_dir():
        raise ExperimentError("no such folder of tissue masks", where=folder, do="Set extract.tissue to a folder.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = slide_id(path.stem)
        if name in found:
            raise ExperimentError("two masks for one slide", where=folder, got=f"{found[name].name} and {path.name}")
        found[name] = path
    return found


def read_tissue(path: Path, reader: SlideReader, patch_um: float) -> Tissue:
    """The tissue that a file outlines on a slide.

    Raises:
        ArtifactError: the file is damaged, or holds no polygons.
        StageError: a mask image of another shape than the slide.
    """
    if path.suffix.lower() == ".png":
        return _from_image(path, reader)
    width, height = mask_size(reader, patch_um)
    scale_x, scale_y = reader.width / width, reader.height / height
    mask = np.zeros((height, width), bool)
    for rings in _polygons(path):
        layer = Image.new("1", (width, height))
        draw = ImageDraw.Draw(layer)
        for number, ring in enumerate(rings):  # the first is the outline, the others are holes
            draw.polygon([(x / scale_x - 0.5, y / scale_y - 0.5) for x, y in ring], fill=int(number == 0))
        mask |= np.asarray(layer)
    return Tissue(mask, scale_x, scale_y, source=path.suffix.lower().lstrip("."))


def _from_image(path: Path, reader: SlideReader) -> Tissue:
    try:
        with Image.open(path) as image:
            mask = np.asarray(image.convert("RGB")).max(axis=2) > 0
    except (OSError, Image.DecompressionBombError) as error:
        raise ArtifactError("a tissue mask cannot be read", where=path, got=error) from error
    scale_x, scale_y = reader.width / mask.shape[1], reader.height / mask.shape[0]
    if abs(scale_x / scale_y - 1) > ASPECT_TOLERANCE:
        expected = f"the shape of {reader.width} x {reader.height} px"
        got = f"{mask.shape[1]} x {mask.shape[0]} px"
        raise StageError("a tissue mask must cover the whole slide", where=path, expected=expected, got=got)
    return Tissue(mask, scale_x, scale_y, source="png")


def _polygons(path: Path) -> Iterator[list[Ring]]:
    """Rings of every polygon: the outline, then its holes."""
    try:
        found = list(_geometries(json.loads(path.read_text(encoding="utf-8"))))
        polygons = [[[(float(x), float(y)) for x, y, *_ in ring] for ring in rings] for rings in found]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError("contours cannot be read", where=path, expected="GeoJSON polygons", got=error) from error
    if not polygons:
        do = "A slide without tissue is said with a black mask image, or left out with extract.exclude."
        raise ArtifactError("no polygons in this file", where=path, expected="GeoJSON polygons", do=do)
    return iter(polygons)


def _geometries(item: Any) -> Iterator[list[Any]]:
    """Coordinates of every polygon below a GeoJSON value; points and lines have no area."""
    if isinstance(item, list):
        for each in item:
            yield from _geometries(each)
    elif "features" in item or "geometries" in item:
        yield from _geometries(item.get("features") or item.get("geometries") or [])
    elif "geometry" in item:
        yield from _geometries(item["geometry"] or [])
    elif item["type"] == "Polygon":
        yield item["coordinates"]
    elif item["type"] == "MultiPolygon":
        yield from item["coordinates"]
