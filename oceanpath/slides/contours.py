"""Tissue from annotation files: GeoJSON contours in level-0 pixels, or a mask image of the whole slide.

QuPath exports a FeatureCollection, TRIDENT writes one per slide (`contours_geojson`); a list of features, a single
Feature and a geometry are accepted as well (RFC 7946). In a mask image every pixel that is not black is tissue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.slides.bounds import Bounds
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.tissue import Tissue, mask_size

SUFFIXES = (".geojson", ".json", ".png")
ASPECT_TOLERANCE = 0.02
EDGE_TOLERANCE = 0.01
"""Maximum extent of contours beyond the scanned area, as a fraction of its longer side."""
Origin = Literal["auto", "slide", "bounds"]
Ring = list[tuple[float, float]]


def find_contours(folder: Path) -> dict[str, Path]:
    """Slide id → contour or mask file of a folder, without its subfolders.

    Raises: ExperimentError: no such folder, or two files for one slide.
    """
    if not folder.is_dir():
        raise ExperimentError("the folder of tissue masks does not exist", where=folder, do="Correct extract.tissue.")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        name = slide_id(path.stem)
        if name in files:
            got = f"{files[name].name} and {path.name}"
            raise ExperimentError("two tissue masks for one slide", where=folder, got=got, do="Remove one of them.")
        files[name] = path
    return files


def read_tissue(path: Path, reader: SlideReader, patch_um: float, origin: Origin = "auto") -> Tissue:
    """The tissue of a slide according to a file.

    Args:
        path: GeoJSON in level-0 pixels, or a mask image.
        reader: The slide.
        patch_um: Side of a patch in micrometres, which determines the resolution of the mask.
        origin: Where coordinates start on a slide whose scanned area does not start at its corner.

    Raises:
        ArtifactError: the file is damaged, or has no polygons.
        StageError: the shape of a mask image differs from that of the slide, or the contours or the mask fit both the
            slide and its scanned area, or neither.
    """
    if path.suffix.lower() == ".png":
        return _from_image(path, reader, origin)
    width, height = mask_size(reader, patch_um)
    scale_x, scale_y = reader.width / width, reader.height / height
    mask = np.zeros((height, width), bool)
    polygons = read_polygons(path)
    shift_x, shift_y = _contour_shift(polygons, path, reader, origin)
    for rings in polygons:
        layer = Image.new("1", (width, height))
        draw = ImageDraw.Draw(layer)
        for number, ring in enumerate(rings):  # the first is the outline, the others are holes
            corners = [((x + shift_x) / scale_x - 0.5, (y + shift_y) / scale_y - 0.5) for x, y in ring]
            draw.polygon(corners, fill=int(number == 0))
        mask |= np.asarray(layer)
    used = "bounds" if (shift_x, shift_y) != (0, 0) else ""
    return Tissue(mask, scale_x, scale_y, source=path.suffix.lower().lstrip("."), origin=used)


def _contour_shift(polygons: list[list[Ring]], path: Path, reader: SlideReader, origin: Origin) -> tuple[int, int]:
    """Offset of the contours' coordinates to level-0 pixels.

    QuPath shows and exports only the scanned area, so its coordinates start at the corner of that area; those of other
    programs start at the corner of the slide. The origin with which all corners are inside the area is used.
    """
    area = reader.bounds
    if origin == "slide" or (area.x, area.y) == (0, 0):
        return 0, 0
    corners = np.array([corner for rings in polygons for ring in rings for corner in ring])
    as_slide = _inside(corners, (area.x, area.y), area)
    as_bounds = _inside(corners, (0, 0), area)
    if origin == "bounds" or (as_bounds and not as_slide):
        return area.x, area.y
    if as_slide and not as_bounds:
        return 0, 0
    raise _unclear("the contours", path, area, both=as_slide)


def _inside(corners: NDArray[np.float64], start: tuple[int, int], area: Bounds) -> bool:
    """Whether all corners [n, 2] are inside the scanned area if its corner has the coordinates `start`."""
    slack = EDGE_TOLERANCE * max(area.width, area.height)
    low = np.array(start) - slack
    high = np.array([start[0] + area.width, start[1] + area.height]) + slack
    return bool(((corners >= low) & (corners <= high)).all())


def _unclear(what: str, path: Path, area: Bounds, *, both: bool) -> StageError:
    fits = "both the slide and the scanned area" if both else "neither the slide nor the scanned area"
    return StageError(
        f"the origin of {what} is unclear",
        where=path,
        expected=f"coordinates from the corner of the slide, or of its scanned area at x {area.x}, y {area.y}",
        got=f"coordinates that fit {fits}",
        do='Set extract.tissue_origin to "slide" or "bounds" (QuPath exports bounds).',
    )


def _from_image(path: Path, reader: SlideReader, origin: Origin) -> Tissue:
    try:
        with Image.open(path) as image:
            mask = np.asarray(image.convert("RGB")).max(axis=2) > 0
    except (OSError, Image.DecompressionBombError) as error:
        raise ArtifactError("the tissue mask cannot be read", where=path, got=error) from error
    area, whole = reader.bounds, Bounds(0, 0, reader.width, reader.height)
    as_slide, as_bounds = _same_shape(mask, whole), area != whole and _same_shape(mask, area)
    if origin == "auto" and as_slide and as_bounds:
        raise _unclear("the tissue mask", path, area, both=True)
    if as_bounds and origin != "slide":
        return _in_scanned_area(mask, reader)
    if not as_slide or (origin == "bounds" and area != whole):
        expected = f"the shape of {reader.width} x {reader.height} px"
        expected += f" or of the scanned {area.width} x {area.height} px" if area != whole else ""
        got = f"{mask.shape[1]} x {mask.shape[0]} px"
        raise StageError("the tissue mask does not cover the whole slide", where=path, expected=expected, got=got)
    return Tissue(mask, reader.width / mask.shape[1], reader.height / mask.shape[0], source="png")


def _same_shape(mask: NDArray[np.bool_], area: Bounds) -> bool:
    stretch: float = area.width / mask.shape[1] / (area.height / mask.shape[0])
    return abs(stretch - 1) <= ASPECT_TOLERANCE


def _in_scanned_area(mask: NDArray[np.bool_], reader: SlideReader) -> Tissue:
    """A mask of the scanned area as one of the whole slide, with pixels of the same size."""
    area = reader.bounds
    scale_x, scale_y = area.width / mask.shape[1], area.height / mask.shape[0]
    size = max(1, round(reader.width / scale_x)), max(1, round(reader.height / scale_y))
    whole = Image.new("1", size)
    whole.paste(Image.fromarray(mask), (round(area.x / scale_x), round(area.y / scale_y)))
    return Tissue(np.asarray(whole), reader.width / size[0], reader.height / size[1], source="png", origin="bounds")


def read_polygons(path: Path) -> list[list[Ring]]:
    """Rings of every polygon of a GeoJSON file: the outline, then its holes.

    Raises: ArtifactError: the file is damaged, or has no polygons.
    """
    try:
        coordinates = list(_geometries(json.loads(path.read_text(encoding="utf-8"))))
        polygons = [[[(float(x), float(y)) for x, y, *_ in ring] for ring in rings] for rings in coordinates]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            "the contours cannot be read", where=path, expected="GeoJSON polygons", got=error
        ) from error
    if not polygons:
        do = "For a slide without tissue use a black mask image, or leave it out with extract.exclude."
        raise ArtifactError("no polygons in this file", where=path, expected="GeoJSON polygons", do=do)
    return polygons


def _geometries(item: Any) -> Iterator[list[Any]]:
    """Coordinates of every polygon within a GeoJSON value; points and lines have no area."""
    if isinstance(item, list):
        for part in item:
            yield from _geometries(part)
    elif "features" in item or "geometries" in item:
        yield from _geometries(item.get("features") or item.get("geometries") or [])
    elif "geometry" in item:
        yield from _geometries(item["geometry"] or [])
    elif item["type"] == "Polygon":
        yield item["coordinates"]
    elif item["type"] == "MultiPolygon":
        yield from item["coordinates"]
