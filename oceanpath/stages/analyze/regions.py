"""Known regions of slides: discs of rendered slides (`demo`), or polygons that a user annotated (`analyze.regions`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.ids import slide_id
from oceanpath.errors import ArtifactError, ExperimentError, shorten_list
from oceanpath.folders import list_folder
from oceanpath.slides.contours import Ring, read_polygons
from oceanpath.slides.patch_geometry import PatchGeometry

SUFFIXES = (".geojson", ".json")
Spots = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]
POSITIONS = (np.arange(5) + 0.5) / 5
"""Positions within a patch, per side, at which polygons are looked up."""


class Regions(Protocol):
    """The known regions of one slide."""

    def contain(self, coords: NDArray[np.int32], geometry: PatchGeometry) -> NDArray[np.int64]:
        """[n]: 1 for a patch whose centre is in a region, 0 for one that touches none, -1 for the others."""


@dataclass(frozen=True)
class Discs:
    """Discs, in level-0 pixels."""

    spots: Spots

    def contain(self, coords: NDArray[np.int32], geometry: PatchGeometry) -> NDArray[np.int64]:
        """As `Regions.contain`."""
        low, size = coords.astype(np.float64), np.asarray(geometry.footprint)
        inside, touched = np.zeros(len(coords), bool), np.zeros(len(coords), bool)
        for spot in self.spots:
            centre = np.array([spot["x"], spot["y"]])
            inside |= np.hypot(*(low + size / 2 - centre).T) <= spot["radius"]
            touched |= np.hypot(*(np.clip(centre, low, low + size) - centre).T) <= spot["radius"]
        return np.where(inside, 1, np.where(touched, -1, 0))


@dataclass(frozen=True)
class Polygons:
    """Annotated polygons, in level-0 pixels from the corner of the scanned area, as QuPath writes them."""

    polygons: Sequence[Sequence[Ring]]

    def contain(self, coords: NDArray[np.int32], geometry: PatchGeometry) -> NDArray[np.int64]:
        """As `Regions.contain`; a patch touches a polygon by one of 25 positions or by a corner of the polygon."""
        low, size = coords.astype(np.float64) - np.asarray(geometry.origin), np.asarray(geometry.footprint)
        inside = in_polygons(low + size / 2, self.polygons)
        touched = np.zeros(len(coords), bool)
        for x in POSITIONS:
            for y in POSITIONS:
                touched |= in_polygons(low + size * np.array([x, y]), self.polygons)
        for corner in (corner for rings in self.polygons for ring in rings for corner in ring):
            touched |= ((low < corner) & (low + size > corner)).all(axis=1)
        return np.where(inside, 1, np.where(touched, -1, 0))


def in_polygons(points: Floats, polygons: Sequence[Sequence[Ring]]) -> NDArray[np.bool_]:
    """[n]: whether points [n, 2] are in one of the polygons and in none of its holes (even-odd rule)."""
    found = np.zeros(len(points), bool)
    for rings in polygons:
        crossings = np.zeros(len(points), np.int64)
        for ring in rings:
            for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
                if y0 != y1:
                    at = x0 + (points[:, 1] - y0) * (x1 - x0) / (y1 - y0)
                    crossings += ((points[:, 1] >= y0) != (points[:, 1] >= y1)) & (points[:, 0] < at)
        found |= crossings % 2 == 1
    return found


def read_regions(demo: Path | None, annotated: Path | None, labels: Mapping[str, str]) -> dict[str, Regions]:
    """Slide id → its regions: those of the user's files, otherwise those of rendered slides of the kind of the label.

    Args:
        demo: What `demo` published.
        annotated: Folder of GeoJSON files with slide ids as names.
        labels: Test slide → label.

    Raises: ArtifactError: a file is damaged. ExperimentError: no file has the name of a test slide.
    """
    if annotated is None:
        return {} if demo is None else _of_demo(demo, labels)
    files = {slide_id(Path(name).stem): annotated / name for name in list_folder(annotated).files}
    files = {name: path for name, path in files.items() if path.suffix.lower() in SUFFIXES and name in labels}
    if not files:
        expected = f"files such as {min(labels, default='slide')}.geojson"
        got = shorten_list(sorted(list_folder(annotated).files)) or "an empty folder"
        what = "no file of annotated regions has the name of a test slide"
        raise ExperimentError(what, where=f"[analyze] regions {annotated}", expected=expected, got=got)
    return {name: Polygons(read_polygons(path)) for name, path in files.items()}


def _of_demo(demo: Path, labels: Mapping[str, str]) -> dict[str, Regions]:
    try:
        truth = json.loads((demo / "truth.json").read_text(encoding="utf-8"))
        return {
            name: Discs([spot for spot in slide["spots"] if spot["kind"] == labels[name]])
            for name, slide in truth.items()
            if name in labels
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError("truth.json cannot be read", where=demo, got=error) from error
